"""Stored episodes through a learner: adapt on the support, score the query."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from med_maml_pipeline.learners import multilabel
from med_maml_pipeline.learners.protocol import Checkpoint, Learner, Settings
from med_maml_pipeline.tasks.types import Episode, FloatArray, MetaSplit, Problem

__all__ = ["EpisodeResult", "episode_seed", "only_tasks", "run_episode", "validation_sample"]


@dataclass(frozen=True)
class EpisodeResult:
    """Scores of one learner on one episode.

    Attributes:
        episode: The stored episode.
        scores: Logits ``[q, n_classes]`` or values ``[q]``; multilabel log-odds ``[q, L]``.
        y: True labels or values ``[q]``; multilabel ``[q, L]``.
        seconds: Adaptation and prediction together.
    """

    episode: Episode
    scores: FloatArray
    y: FloatArray
    seconds: float


def episode_seed(seed: int, episode: Episode) -> int:
    """A seed for the randomness of ``adapt``: the same for every learner on one episode."""
    return zlib.crc32(f"{seed}/{episode.episode_id}".encode())


def run_episode(
    learner: Learner,
    checkpoint: Checkpoint,
    problem: Problem,
    episode: Episode,
    settings: Settings,
    seed: int,
) -> EpisodeResult:
    """Adapts on the support set and scores the query set of one stored episode."""
    support, query = problem.draw(episode)
    started = time.perf_counter()
    predictor = multilabel.adapt(learner, checkpoint, support, settings, episode_seed(seed, episode))
    scores = np.asarray(predictor(query.x), dtype=np.float32)
    return EpisodeResult(episode, scores, query.y, time.perf_counter() - started)


def validation_sample(problem: Problem, limit: int) -> tuple[Episode, ...]:
    """At most ``limit`` validation episodes per family, target type and support size.

    First draws of all tasks come before second draws, tasks in an order that depends on their names only,
    so that every learner is selected on the same episodes.
    """
    taken: dict[tuple[str, str, int], int] = {}
    chosen = []
    for episode in sorted(problem.episodes_of(MetaSplit.VALIDATION), key=_by_draw_then_name):
        task = problem.task(episode.task_id)
        cell = (task.family, str(task.target_type), episode.support_size)
        if taken.get(cell, 0) < limit:
            taken[cell] = taken.get(cell, 0) + 1
            chosen.append(episode)
    return tuple(chosen)


def _by_draw_then_name(episode: Episode) -> tuple[int, int, str]:
    return episode.draw, zlib.crc32(episode.task_id.encode()), episode.episode_id


def only_tasks(problem: Problem, episodes: Sequence[Episode], keep: Iterable[MetaSplit] = ()) -> Problem:
    """The problem without tasks that neither these episodes nor the splits ``keep`` need (cheap to send)."""
    named = {episode.task_id for episode in episodes}
    splits = set(keep)
    tasks = tuple(t for t in problem.tasks if t.task_id in named or t.meta_split in splits)
    used = {task.examples for task in tasks}
    tables = {key: table for key, table in problem.tables.items() if key in used}
    return replace(problem, tasks=tasks, episodes=tuple(episodes), tables=tables)
