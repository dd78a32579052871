"""Stored predictions of all lanes as episodes with members' scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode, common_scale
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.tasks.types import Episode, MetaSplit, Problem, TargetType

__all__ = ["members_in", "scored_episodes"]


def members_in(predictions: pd.DataFrame, order: Sequence[str]) -> tuple[str, ...]:
    """Learners that predicted, in the order of ``order``.

    Args:
        predictions: Of one problem, fold and seed.
        order: All learners there are.
    """
    present = set(predictions["learner"])
    return tuple(name for name in order if name in present)


def scored_episodes(
    predictions: pd.DataFrame, problem: Problem, split: MetaSplit, members: Sequence[str]
) -> Iterator[tuple[str, ScoredEpisode]]:
    """Id and members' scores of every episode of a meta-split that was predicted.

    Args:
        predictions: Of one problem, fold and seed.
        problem: That problem and fold.
        split: Validation or test.
        members: Learners to read.

    Raises:
        DataError: a member did not predict an episode that another did.
    """
    rows = {(str(r.episode_id), str(r.learner)): r for r in predictions.itertuples(index=False)}
    predicted = {episode_id for episode_id, _ in rows}
    for episode in problem.episodes_of(split):
        if episode.episode_id in predicted:
            for name in members:
                if (episode.episode_id, name) not in rows:
                    raise _missing(problem, split, name)
            own = [rows[episode.episode_id, name] for name in members]
            yield episode.episode_id, _scored(problem, episode, own)


def _scored(problem: Problem, episode: Episode, rows: Sequence[Any]) -> ScoredEpisode:
    """One episode from the rows of its members."""
    task = problem.task(episode.task_id)
    numeric = task.target_type is TargetType.REGRESSION
    scale = TargetScale.of(task.y[episode.support], task.target_type)
    y = np.asarray(rows[0].y, dtype=np.float64)
    if task.target_type is TargetType.MULTILABEL:
        y = y.reshape(-1, task.n_classes)
    shape = (len(y),) if numeric else (len(y), -1)
    z = [common_scale(np.asarray(row.scores).reshape(shape), task.target_type, scale) for row in rows]
    return ScoredEpisode(
        episode.task_id,
        task.family,
        task.target_type,
        episode.support_size,
        len(episode.support),
        np.stack(z),
        scale.standardise(y.astype(np.float32)) if numeric else y,
        scale,
        task.shared_meaning,
    )


def _missing(problem: Problem, split: MetaSplit, learner: str) -> DataError:
    return DataError(
        f"problem '{problem.name}', fold {problem.fold}: learner '{learner}' has no prediction for a {split} "
        "episode that other learners predicted",
        source="predictions",
        expected="one per learner and episode",
        remedy="run adaptation again for every lane",
    )
