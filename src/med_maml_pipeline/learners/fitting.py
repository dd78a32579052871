"""One meta-training with its search over adaptation settings: done once, even where a run is killed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from med_maml_pipeline.learners import multilabel
from med_maml_pipeline.learners.distributed.settings import DistributedSettings
from med_maml_pipeline.learners.judging import judge_of, scores_by_cell
from med_maml_pipeline.learners.measure import Cost, measured
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Learner, ProgressCallback, Settings, silent
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.state_file import StateFile, read_state, write_state
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.metrics.averages import mean_of_defined
from med_maml_pipeline.tasks.types import Problem

__all__ = ["ALONE", "Fit", "Job", "Report", "Surroundings", "Trial", "fit_and_score", "stored_fit"]

Report = Callable[[str], ProgressCallback]
"""Makes the progress callback of one meta-training from what it is called."""

_TRAINING, _FIT = "training.safetensors", "fit.safetensors"


def _unreported(label: str) -> ProgressCallback:
    return silent


@dataclass(frozen=True)
class Surroundings:
    """What does not decide a result.

    Attributes:
        report: Makes the progress callback of a meta-training, in the process that runs it.
        state: Folder for what a killed process leaves to the next; None to leave nothing.
        save_every: Seconds of training between two saves of it; 0 saves after every update.
        distributed: Who starts the processes that train together.
    """

    report: Report = _unreported
    state: Path | None = None
    save_every: float = 10.0
    distributed: DistributedSettings = DistributedSettings()


ALONE = Surroundings()
"""No progress, no state, no company."""


@dataclass(frozen=True)
class Trial:
    """Mean validation score of one setting in one cell (family, target type, support size)."""

    family: str
    target_type: str
    support_size: int
    settings: str
    metric: str
    value: float
    n_episodes: int

    @property
    def cell(self) -> tuple[str, str, int]:
        """Settings compete within a cell."""
        return self.family, self.target_type, self.support_size


@dataclass(frozen=True)
class Job:
    """One meta-training: the learners that share it, and the settings to try at adaptation.

    Attributes:
        problem: Meta-training tasks and validation episodes.
        learners: Names; the first one trains.
        meta_settings: Of meta-training.
        adapt_settings: To try, by learner; the first is used to look at validation episodes while training.
        seed: Seed of meta-training and adaptations.
        around: Its surroundings, with a state folder of its own.
    """

    problem: Problem
    learners: tuple[str, ...]
    meta_settings: Settings
    adapt_settings: Mapping[str, tuple[Settings, ...]]
    seed: int
    around: Surroundings = ALONE


@dataclass(frozen=True)
class Fit:
    """A checkpoint, the validation scores of each learner that reads it, and what making it took."""

    checkpoint: Checkpoint
    trials: Mapping[str, tuple[Trial, ...]]
    cost: Cost


def fit_and_score(job: Job) -> Fit:
    """Meta-trains and tries every adaptation setting, or takes up what an earlier process left of that.

    Where processes train together, rank 0 alone tries settings, reports and writes.
    """
    folder, world = job.around.state, World.current()
    done = stored_fit(folder) if folder else None
    if done is not None:
        return done
    state = StateFile(folder / _TRAINING, job.around.save_every) if folder else None
    checkpoint, cost = _meta_fit(job, state, world)
    trials = {
        name: tuple(
            trial
            for settings in job.adapt_settings[name]
            for trial in _trials(get_learner(name), checkpoint, job, settings)
        )
        for name in (job.learners if world.leads else ())
    }
    fit = Fit(checkpoint, trials, cost)
    if folder and state and world.leads:
        _write(folder / _FIT, fit)
        state.remove()
    return fit


def _meta_fit(job: Job, state: StateFile | None, world: World) -> tuple[Checkpoint, Cost]:
    name, problem = job.learners[0], job.problem
    learner = get_learner(name)
    judge = judge_of(learner, problem, job.adapt_settings[name][0], job.seed)
    label = f"{problem.name}, fold {problem.fold}, {name}"
    progress = job.around.report(label) if world.leads else silent
    with measured() as cost:
        monitor = Monitor(progress, state, judge, world)
        checkpoint = multilabel.meta_fit(learner, problem, job.meta_settings, job.seed, monitor)
    if state is not None:
        cost.seconds += state.earlier
    return checkpoint, cost


def _trials(learner: Learner, checkpoint: Checkpoint, job: Job, settings: Settings) -> Iterator[Trial]:
    cells = scores_by_cell(learner, checkpoint, job.problem, job.problem.episodes, settings, job.seed)
    text = json.dumps({"meta": dict(job.meta_settings), "adapt": dict(settings)}, sort_keys=True)
    for (family, target_type, size, metric), values in cells.items():
        n_defined = sum(not math.isnan(value) for value in values)
        yield Trial(family, target_type, size, text, metric, mean_of_defined(values), n_defined)


def _write(path: Path, fit: Fit) -> None:
    facts = {
        "learner": fit.checkpoint.learner,
        "facts": dict(fit.checkpoint.facts),
        "history": list(fit.checkpoint.history),
        "trials": {name: [asdict(trial) for trial in trials] for name, trials in fit.trials.items()},
        "cost": asdict(fit.cost),
    }
    write_state(path, fit.checkpoint.arrays, facts)


def stored_fit(folder: Path) -> Fit | None:
    """What a finished job left in its state folder, if anything."""
    found = read_state(folder / _FIT)
    if found is None:
        return None
    arrays, facts = found
    return Fit(
        Checkpoint(facts["learner"], arrays, facts["facts"], tuple(facts["history"])),
        {name: tuple(Trial(**trial) for trial in trials) for name, trials in facts["trials"].items()},
        Cost(**facts["cost"]),
    )
