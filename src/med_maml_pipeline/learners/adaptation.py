"""Stored episodes through chosen checkpoints and settings: the only place where test tasks are touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.episodes import EpisodeResult, only_tasks, run_episode, validation_sample
from med_maml_pipeline.learners.protocol import Checkpoint, ProgressCallback, Settings, silent
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.workers import run_jobs
from med_maml_pipeline.tasks.types import Episode, MetaSplit, Problem, TargetType

__all__ = ["PREDICTION_COLUMNS", "chosen_settings", "predict_test_episodes", "predict_validation_episodes"]

PREDICTION_COLUMNS = (
    "episode_id", "problem", "fold", "task_id", "learner", "lane", "seed", "scores", "y", "seconds_adapt",
)  # fmt: skip

_CHUNK = 32  # episodes per job: long enough to pay for sending it


@dataclass(frozen=True)
class _Job:
    problem: Problem
    learner: str
    checkpoint: Checkpoint
    settings: tuple[Settings, ...]
    seed: int


def predict_test_episodes(
    problems: Sequence[Problem],
    checkpoints: Mapping[CheckpointKey, Checkpoint],
    selection: pd.DataFrame,
    *,
    workers: int = 1,
    progress: ProgressCallback = silent,
) -> pd.DataFrame:
    """Adapts every checkpoint, with its own seed, on every stored test episode and scores its query set.

    Args:
        problems: One per fold.
        checkpoints: By their keys.
        selection: Rows of meta-training's search; those marked ``chosen`` give the settings, to each
            checkpoint those of its own seed.
        workers: Worker processes; the result is the same for any number.
        progress: Told after each job.

    Returns:
        One row per learner, seed and episode with `PREDICTION_COLUMNS`; ``scores`` is flat, row by row,
        as is ``y`` of a multilabel task.
    """
    episodes = [problem.episodes_of(MetaSplit.TEST) for problem in problems]
    return _predict(problems, episodes, checkpoints, selection, workers, progress)


def predict_validation_episodes(
    problems: Sequence[Problem],
    checkpoints: Mapping[CheckpointKey, Checkpoint],
    selection: pd.DataFrame,
    limit: int,
    *,
    workers: int = 1,
    progress: ProgressCallback = silent,
) -> pd.DataFrame:
    """The same on validation episodes, at most ``limit`` per family, target type and support size.

    What ensembles learn from: members never saw these tasks and groups, so their scores are out of sample.
    """
    episodes = [validation_sample(problem, limit) for problem in problems]
    return _predict(problems, episodes, checkpoints, selection, workers, progress)


def _predict(
    problems: Sequence[Problem],
    episodes: Sequence[Sequence[Episode]],
    checkpoints: Mapping[CheckpointKey, Checkpoint],
    selection: pd.DataFrame,
    workers: int,
    progress: ProgressCallback,
) -> pd.DataFrame:
    jobs = [
        job
        for problem, asked in zip(problems, episodes, strict=True)
        for job in _jobs(problem, asked, checkpoints, selection)
    ]
    rows: list[tuple[object, ...]] = []
    for number, (job, results) in enumerate(zip(jobs, run_jobs(_run, jobs, workers), strict=True), start=1):
        rows.extend(_row(job, result) for result in results)
        progress(number, len(jobs), {})
    return pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))


def _jobs(
    problem: Problem,
    episodes: Sequence[Episode],
    checkpoints: Mapping[CheckpointKey, Checkpoint],
    selection: pd.DataFrame,
) -> Iterator[_Job]:
    for (name, fold, learner, seed), checkpoint in checkpoints.items():
        if (name, fold) != (problem.name, problem.fold):
            continue
        chosen = selection.query(
            "chosen and problem == @name and fold == @fold and learner == @learner and seed == @seed"
        )
        for start in range(0, len(episodes), _CHUNK):
            part = episodes[start : start + _CHUNK]
            tasks = (problem.task(episode.task_id) for episode in part)
            settings = tuple(
                chosen_settings(chosen, learner, task.family, task.target_type, episode.support_size)
                for task, episode in zip(tasks, part, strict=True)
            )
            yield _Job(only_tasks(problem, part), learner, checkpoint, settings, seed)


def chosen_settings(
    chosen: pd.DataFrame, learner: str, family: str, target_type: TargetType, support_size: int
) -> Settings:
    """Settings chosen for this family, target type and size; else for what comes nearest to it.

    Classes never borrow from numeric targets nor these from classes: what suits one loss says nothing of the
    other, so that the learner's own first settings are used.

    Args:
        chosen: The learner's rows of the selection table that are marked ``chosen``, in one problem, fold and
            seed.
        learner: Name of the learner.
        family: Family of the task; one that was never validated on is as far as any other.
        target_type: Type of its target.
        support_size: As episodes count it: per class where each has as many, else in all.
    """
    numeric = chosen["target_type"] == str(TargetType.REGRESSION)
    chosen = chosen[numeric == (target_type == TargetType.REGRESSION)]
    if chosen.empty:
        return get_learner(learner).adapt_grid[0]
    distance = pd.DataFrame(
        {
            "type": chosen["target_type"] != str(target_type),
            "size": (chosen["support_size"] - support_size).abs(),
            "family": chosen["family"] != family,
        }
    )
    nearest = distance.sort_values(["type", "size", "family"], kind="stable").index[0]
    settings: Settings = json.loads(str(chosen.at[nearest, "settings"]))["adapt"]
    return settings


def _run(job: _Job) -> list[EpisodeResult]:
    learner = get_learner(job.learner)
    return [
        run_episode(learner, job.checkpoint, job.problem, episode, settings, job.seed)
        for episode, settings in zip(job.problem.episodes, job.settings, strict=True)
    ]


def _row(job: _Job, result: EpisodeResult) -> tuple[object, ...]:
    return (
        result.episode.episode_id,
        job.problem.name,
        job.problem.fold,
        result.episode.task_id,
        job.learner,
        get_learner(job.learner).lane,
        job.seed,
        result.scores.reshape(-1),
        result.y.reshape(-1),
        result.seconds,
    )
