"""Independent jobs over worker processes, with the same results for any number of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

__all__ = ["on_one_thread", "run_jobs"]

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yields ``work(job)`` in the order of ``jobs``.

    Every job computes on one thread, in this process or another, so that figures do not depend on
    ``workers`` to the last bit.
    """
    if workers == 1 or len(jobs) <= 1:
        yield from (on_one_thread(work, job) for job in jobs)
        return
    parallel = Parallel(
        n_jobs=min(workers, len(jobs)), return_as="generator", pre_dispatch="n_jobs", batch_size=1
    )
    yield from parallel(delayed(on_one_thread)(work, job) for job in jobs)


def on_one_thread(work: Callable[[Job], Result], job: Job) -> Result:
    """``work(job)`` with one thread for everything it computes."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            return work(job)
    finally:
        torch.set_num_threads(before)
