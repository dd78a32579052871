"""Meta-training with selection on validation tasks: every learner of every lane is tuned by the same code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from med_maml_pipeline.learners.episodes import only_tasks, run_episode, validation_sample
from med_maml_pipeline.learners.measure import Cost, measured
from med_maml_pipeline.learners.protocol import (
    Checkpoint,
    Learner,
    ProgressCallback,
    Settings,
    grids,
    silent,
)
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.workers import run_jobs
from med_maml_pipeline.metrics.scores import selection_score
from med_maml_pipeline.tasks.types import MetaSplit, Problem

__all__ = ["Effort", "Trained", "meta_train"]


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
class _Trial:
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
class Trained:
    """One learner on one problem and fold, selected on validation tasks.

    Attributes:
        problem / fold / learner: What was trained.
        checkpoint: Of the chosen meta-training settings.
        selection: One row per setting tried and cell; ``chosen`` marks the adaptation settings to use there.
        cost: Of the chosen meta-training: one fit, without the search.
    """

    problem: str
    fold: int
    learner: str
    checkpoint: Checkpoint
    selection: pd.DataFrame
    cost: Cost


@dataclass(frozen=True)
class _Job:
    """One meta-training: the learners that share it, and the settings to try at adaptation."""

    problem: Problem
    learners: tuple[str, ...]
    meta_settings: Settings
    adapt_settings: Mapping[str, tuple[Settings, ...]]
    seed: int


@dataclass(frozen=True)
class _Fit:
    checkpoint: Checkpoint
    trials: Mapping[str, tuple[_Trial, ...]]
    cost: Cost


def meta_train(
    problems: Sequence[Problem],
    learners: Sequence[str],
    effort: Effort,
    seed: int,
    *,
    workers: int = 1,
    progress: ProgressCallback = silent,
) -> Iterator[Trained]:
    """Meta-trains and selects every learner on every problem it is defined for.

    Validation tasks choose the meta-training settings (mean over cells of the best adaptation settings) and,
    per cell, the adaptation settings. Test tasks are not even handed over.

    Args:
        problems: One per fold.
        learners: Names of the learners.
        effort: How much tuning.
        seed: Seed of every meta-training and adaptation.
        workers: Worker processes; the result is the same for any number.
        progress: Told after each meta-training with its search over adaptation settings.

    Yields:
        One `Trained` per learner, problem and fold.
    """
    plans = [plan for problem in problems for plan in _plans(problem, learners, effort, seed)]
    total = sum(len(plan) for plan in plans)
    fits = enumerate(run_jobs(_fit_and_score, [job for plan in plans for job in plan], workers), start=1)
    for plan in plans:
        done = []
        for _ in plan:
            number, fit = next(fits)
            progress(number, total, {})
            done.append(fit)
        for name in plan[0].learners:
            yield _choose(name, plan, done)


def _plans(
    problem: Problem, learners: Sequence[str], effort: Effort, seed: int
) -> Iterator[tuple[_Job, ...]]:
    """Jobs that compete with each other; learners that share a meta-training share its jobs."""
    episodes = validation_sample(problem, effort.max_validation_episodes)
    visible = only_tasks(problem, episodes, keep=(MetaSplit.TRAIN,))
    shared: dict[str, list[str]] = {}
    for name in learners:
        learner = get_learner(name)
        if learner.supports(problem):
            shared.setdefault(getattr(learner, "trunk", name), []).append(name)
    for names in shared.values():
        adapt = {name: grids(get_learner(name), problem)[1][: effort.adapt_settings] for name in names}
        yield tuple(
            _Job(visible, tuple(names), {**settings, **effort.overrides.get(names[0], {})}, adapt, seed)
            for settings in grids(get_learner(names[0]), problem)[0][: effort.meta_settings]
        )


def _fit_and_score(job: _Job) -> _Fit:
    with measured() as cost:
        checkpoint = get_learner(job.learners[0]).meta_fit(job.problem, job.meta_settings, job.seed, silent)
    trials = {
        name: tuple(
            trial
            for settings in job.adapt_settings[name]
            for trial in _trials(get_learner(name), checkpoint, job, settings)
        )
        for name in job.learners
    }
    return _Fit(checkpoint, trials, cost)


def _trials(learner: Learner, checkpoint: Checkpoint, job: _Job, settings: Settings) -> Iterator[_Trial]:
    cells: dict[tuple[str, str, int, str], list[float]] = {}
    for episode in job.problem.episodes:
        task = job.problem.task(episode.task_id)
        result = run_episode(learner, checkpoint, job.problem, episode, settings, job.seed)
        metric, value = selection_score(task.target_type, result.y, result.scores)
        cell = (task.family, str(task.target_type), episode.support_size, metric)
        cells.setdefault(cell, []).append(value)
    text = json.dumps({"meta": dict(job.meta_settings), "adapt": dict(settings)}, sort_keys=True)
    for (family, target_type, size, metric), values in cells.items():
        defined = [value for value in values if not np.isnan(value)]
        mean = float(np.mean(defined)) if defined else float("nan")
        yield _Trial(family, target_type, size, text, metric, mean, len(defined))


def _choose(name: str, plan: Sequence[_Job], fits: Sequence[_Fit]) -> Trained:
    """The meta-training whose best adaptation settings do best on average over cells; ties: the first."""
    best = max(range(len(fits)), key=lambda i: (_mean_of_best(fits[i].trials[name]), -i))
    rows: list[dict[str, Any]] = []
    for number, fit in enumerate(fits):
        winners = _best_by_cell(fit.trials[name]).values() if number == best else ()
        rows.extend({**asdict(trial), "chosen": trial in winners} for trial in fit.trials[name])
    columns = [*(field.name for field in fields(_Trial)), "chosen"]
    selection = pd.DataFrame(rows, columns=columns)
    problem = plan[best].problem
    selection.insert(0, "problem", problem.name)
    selection.insert(1, "fold", problem.fold)
    selection.insert(2, "learner", name)
    return Trained(problem.name, problem.fold, name, fits[best].checkpoint, selection, fits[best].cost)


def _best_by_cell(trials: Sequence[_Trial]) -> dict[tuple[str, str, int], _Trial]:
    best: dict[tuple[str, str, int], _Trial] = {}
    for trial in trials:
        held = best.get(trial.cell)
        if held is None or _worth(trial) > _worth(held):
            best[trial.cell] = trial
    return best


def _mean_of_best(trials: Sequence[_Trial]) -> float:
    best = [_worth(trial) for trial in _best_by_cell(trials).values()]
    return float(np.mean(best)) if best else 0.0


def _worth(trial: _Trial) -> float:
    return -np.inf if np.isnan(trial.value) else trial.value
