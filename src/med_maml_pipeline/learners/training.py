"""Meta-training with selection on validation tasks: every learner of every lane is tuned by the same code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from med_maml_pipeline.learners import multilabel
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.devices import check_settings
from med_maml_pipeline.learners.episodes import only_tasks, validation_sample
from med_maml_pipeline.learners.fingerprint import content_digest, fingerprint
from med_maml_pipeline.learners.fitting import ALONE, Fit, Job, Surroundings, Trial
from med_maml_pipeline.learners.launched_fit import fit_on_ranks, is_launched
from med_maml_pipeline.learners.measure import Cost
from med_maml_pipeline.learners.protocol import Checkpoint, ProgressCallback, Settings, grids, silent
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.workers import run_jobs
from med_maml_pipeline.tasks.types import MetaSplit, Problem

__all__ = ["COST_COLUMNS", "SELECTION_COLUMNS", "Effort", "Trained", "meta_train"]

_KEY = ("problem", "fold", "learner", "seed")
SELECTION_COLUMNS = (*_KEY, *(field.name for field in fields(Trial)), "chosen")
"""Of the table of every setting tried on validation episodes; see `Trial`."""

COST_COLUMNS = ("problem", "fold", "learner", "seconds_meta_fit", "peak_memory_mib", "seed")
"""Of the table of what meta-trainings took."""


@dataclass(frozen=True)
class Effort:
    """How much tuning a learner gets: the same for all.

    Attributes:
        max_validation_episodes: Per family, target type and support size.
        meta_settings: Meta-training settings tried.
        adapt_settings: Adaptation settings tried.
        overrides: Settings by learner that replace its own (``steps``, for instance).
    """

    max_validation_episodes: int
    meta_settings: int
    adapt_settings: int
    overrides: Mapping[str, Settings]


@dataclass(frozen=True)
class Trained:
    """One learner on one problem, fold and seed, selected on validation tasks.

    Attributes:
        problem / fold / learner / seed: What was trained.
        checkpoint: Of the chosen meta-training settings.
        selection: One row per setting tried and cell; ``chosen`` marks the adaptation settings to use there.
        cost: Of the chosen meta-training: one fit, without the search.
    """

    problem: str
    fold: int
    learner: str
    seed: int
    checkpoint: Checkpoint
    selection: pd.DataFrame
    cost: Cost

    @property
    def key(self) -> CheckpointKey:
        """Key of its checkpoint."""
        return CheckpointKey(self.problem, self.fold, self.learner, self.seed)


def meta_train(
    problems: Sequence[Problem],
    learners: Sequence[str],
    effort: Effort,
    seeds: Sequence[int],
    *,
    workers: int = 1,
    progress: ProgressCallback = silent,
    around: Surroundings = ALONE,
) -> Iterator[Trained]:
    """Meta-trains and selects every learner on every problem it is defined for, once per seed.

    Validation tasks choose the meta-training settings (mean over cells of the best adaptation settings) and,
    per cell, the adaptation settings. Test tasks are not even handed over.

    Args:
        problems: One per fold.
        learners: Names of the learners.
        effort: How much tuning.
        seeds: Each is the seed of meta-trainings and adaptations of its own; seeds share tasks and episodes,
            and no choice that is made with one of them looks at another.
        workers: Worker processes; the result is the same for any number. Where a meta-training has
            processes of its own, one follows the other.
        progress: Told after each meta-training with its search over adaptation settings.
        around: Progress of single meta-trainings, what killed ones leave, and company.

    Yields:
        One `Trained` per learner, problem, fold and seed.
    """
    plans = [plan for problem in problems for plan in _plans(problem, learners, effort, seeds, around)]
    jobs = [job for plan in plans for job in plan]
    for job in jobs:
        if not is_launched(job):  # else the machines that train may have what this one lacks
            check_settings(job.meta_settings, job.learners[0])
    total, workers = len(jobs), 1 if any(map(is_launched, jobs)) else workers
    fits = enumerate(run_jobs(fit_on_ranks, jobs, workers), start=1)
    for plan in plans:
        done = []
        for _ in plan:
            number, fit = next(fits)
            progress(number, total, {})
            done.append(fit)
        for name in plan[0].learners:
            yield _choose(name, plan, done)


def _plans(
    problem: Problem, learners: Sequence[str], effort: Effort, seeds: Sequence[int], around: Surroundings
) -> Iterator[tuple[Job, ...]]:
    """Jobs that compete with each other; learners that share a meta-training share its jobs."""
    episodes = validation_sample(problem, effort.max_validation_episodes)
    visible = only_tasks(problem, episodes, keep=(MetaSplit.TRAIN,))
    content = content_digest(visible) if around.state else ""
    shared: dict[str, list[str]] = {}
    for name in learners:
        learner = get_learner(name)
        if multilabel.supports(learner, problem):
            shared.setdefault(getattr(learner, "trunk", name), []).append(name)
    for seed, names in product(seeds, shared.values()):
        adapt = {name: grids(get_learner(name), problem)[1][: effort.adapt_settings] for name in names}
        yield tuple(
            _kept_apart(
                Job(visible, tuple(names), {**settings, **effort.overrides.get(names[0], {})}, adapt, seed),
                content,
                around,
            )
            for settings in grids(get_learner(names[0]), problem)[0][: effort.meta_settings]
        )


def _kept_apart(job: Job, content: str, around: Surroundings) -> Job:
    """The job with a state folder that no job shares whose result might differ."""
    if around.state is None:
        return replace(job, around=around)
    name = fingerprint(
        problem=content,
        learners=job.learners,
        meta_settings=job.meta_settings,
        adapt_settings=job.adapt_settings,
        seed=job.seed,
        ranks=around.distributed.size,
    )
    return replace(job, around=replace(around, state=around.state / name))


def _choose(name: str, plan: Sequence[Job], fits: Sequence[Fit]) -> Trained:
    """The meta-training whose best adaptation settings do best on average over cells; ties: the first."""
    best = max(range(len(fits)), key=lambda i: (_mean_of_best(fits[i].trials[name]), -i))
    problem, seed = plan[best].problem, plan[best].seed
    place = dict(zip(_KEY, (problem.name, problem.fold, name, seed), strict=True))
    rows: list[dict[str, Any]] = []
    for number, fit in enumerate(fits):
        winners = _best_by_cell(fit.trials[name]).values() if number == best else ()
        rows.extend({**place, **asdict(trial), "chosen": trial in winners} for trial in fit.trials[name])
    selection = pd.DataFrame(rows, columns=list(SELECTION_COLUMNS))
    return Trained(problem.name, problem.fold, name, seed, fits[best].checkpoint, selection, fits[best].cost)


def _best_by_cell(trials: Sequence[Trial]) -> dict[tuple[str, str, int], Trial]:
    best: dict[tuple[str, str, int], Trial] = {}
    for trial in trials:
        held = best.get(trial.cell)
        if held is None or _worth(trial) > _worth(held):
            best[trial.cell] = trial
    return best


def _mean_of_best(trials: Sequence[Trial]) -> float:
    best = [_worth(trial) for trial in _best_by_cell(trials).values()]
    return float(np.mean(best)) if best else 0.0


def _worth(trial: Trial) -> float:
    return -np.inf if np.isnan(trial.value) else trial.value
