"""One meta-training by several processes: each runs the very code that a process alone runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from med_maml_pipeline.learners.devices import chosen_device
from med_maml_pipeline.learners.distributed import LaunchError, run_on_ranks
from med_maml_pipeline.learners.fitting import Fit, Job, fit_and_score, stored_fit
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.registry import get_learner

__all__ = ["fit_on_ranks", "is_launched"]

_UNTRAINED_LANE = "classical"  # nothing of it is trained in steps


def is_launched(job: Job) -> bool:
    """Whether several processes share the job's meta-training: asked for, and trained in steps."""
    return job.around.distributed.launcher != "none" and get_learner(job.learners[0]).lane != _UNTRAINED_LANE


def fit_on_ranks(job: Job) -> Fit:
    """`fit_and_score` in every process of a group; the result comes back through the job's state folder.

    Raises:
        LaunchError: see `run_on_ranks`; or no result is in the folder when all have finished.
    """
    if not is_launched(job):
        return fit_and_score(job)
    settings = job.around.distributed
    with _folder(job.around.state) as folder:
        launched = replace(job, around=replace(job.around, state=folder))
        fit = stored_fit(folder)
        if fit is None:
            device = chosen_device(str(job.meta_settings.get("device", GradientTraining.device)))
            run_on_ranks(fit_and_score, launched, settings, device=device, folder=folder / settings.launcher)
            fit = stored_fit(folder)
    if fit is None:
        raise LaunchError(
            "the processes finished and left no result in the folder of parameter 'state'; it must be on "
            "storage that all machines share, with space left"
        )
    return fit


@contextmanager
def _folder(state: Path | None) -> Iterator[Path]:
    if state is not None:
        yield state.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="meta-training-") as temporary:
        yield Path(temporary)
