"""Batches of work over worker processes: in order, with few of them under way, whatever the consumer does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from types import TracebackType
from typing import Any, TypeVar

from joblib.externals.loky import ProcessPoolExecutor
from threadpoolctl import threadpool_limits

from med_maml_pipeline.sources.place import Place

__all__ = ["Workers"]

Job = TypeVar("Job")
Result = TypeVar("Result")


class Workers:
    """Processes that live as long as the ``with`` block; one worker means this process.

    joblib's own generator goes on while its results wait to be fetched, so memory would follow a slow
    consumer. Here at most one batch per worker and one more exist at a time.

    Args:
        count: Number of workers.
        place: For the error of a worker that dies.
    """

    def __init__(self, count: int, place: Place) -> None:
        self._count, self._place = count, place
        self._executor: Any = None

    def __enter__(self) -> Workers:
        if self._count > 1:
            self._executor = ProcessPoolExecutor(max_workers=self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=kind is not None)

    def map(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Yields ``work(job)`` in the order of ``jobs``, each computed on one thread.

        Raises:
            DataError: a worker process died, as it does when memory runs out.
        """
        if self._executor is None:
            yield from (_on_one_thread(work, job) for job in jobs)
            return
        pending: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                pending.append(self._executor.submit(_on_one_thread, work, job))
                if len(pending) > self._count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenExecutor:
            raise self._place.error(
                "a worker process was ended from outside",
                expected="enough memory for 'options.workers' batches of 'options.batch' pictures",
                remedy="lower 'options.batch' or 'options.workers'",
            ) from None
        finally:
            for future in pending:
                future.cancel()


def _on_one_thread(work: Callable[[Job], Result], job: Job) -> Result:
    with threadpool_limits(limits=1):
        return work(job)
