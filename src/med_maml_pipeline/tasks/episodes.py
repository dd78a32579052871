"""Stored episodes: support and query sets on which every learner is judged alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.index import PoolIndex
from med_maml_pipeline.tasks.label_episodes import LabelIndex
from med_maml_pipeline.tasks.seeding import stable_rng
from med_maml_pipeline.tasks.types import Episode, IntArray, TargetType, Task

__all__ = ["draw_episodes", "draw_query", "draw_support"]

_REDRAWS = 1_000

DrawSets = Callable[[int, np.random.Generator], tuple[IntArray, IntArray]]
"""Draws support and query of a support size from a random stream."""


def draw_episodes(
    task: Task, sizes: Sequence[int], rule: SupportRule, *, problem: str, fold: int, seed: int
) -> list[Episode]:
    """Draws the episodes of one task: ``rule.draws`` per support size.

    Each draw has its own random stream, named by problem, fold, task, size and draw: other tasks, sizes
    and draws do not change it. The classes of a task with ``ways`` are drawn first.

    Args:
        task: A validation or test task.
        sizes: Support sizes its pool can serve.
        rule: Support rule.
        problem: Name of the problem.
        fold: Fold number.
        seed: Seed of the run.
    """
    draw_sets = _label_sets(task, rule) if task.target_type is TargetType.MULTILABEL else _sets(task, rule)
    per_class = task.n_classes > 0 and rule.rule == "balanced"
    episodes = []
    for size in sizes:
        for draw in range(rule.draws):
            rng = stable_rng(seed, "episode", problem, fold, task.task_id, size, draw)
            support, query = draw_sets(size, rng)
            episodes.append(
                Episode(
                    episode_id=f"{problem}/{fold}/{task.task_id}/{size}/{draw}",
                    task_id=task.task_id,
                    support=support,
                    query=query,
                    n_shot=size if per_class else None,
                    support_size=size if per_class else len(support),
                    draw=draw,
                )
            )
    return episodes


def _sets(task: Task, rule: SupportRule) -> DrawSets:
    index = PoolIndex.of(task.y, task.groups, task.n_classes)

    def draw(size: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        classes = index.draw_classes(rng, task.ways)
        support = draw_support(index, rule, size, rng, classes)
        asked = None if task.ways is None else classes
        return support, draw_query(index, support, rule.max_query, rng, asked)

    return draw


def _label_sets(task: Task, rule: SupportRule) -> DrawSets:
    index = LabelIndex.of(task.y, task.groups)

    def draw(size: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        support = index.support(rule, size, rng)
        return support, index.query(support, rule.max_query, rng)

    return draw


def draw_support(
    index: PoolIndex,
    rule: SupportRule,
    size: int,
    rng: np.random.Generator,
    classes: IntArray | None = None,
) -> IntArray:
    """Draws a support set with at most one row per group.

    Args:
        index: The task's pool.
        rule: ``balanced``: ``size`` rows of each class; ``enriched``: ``size`` rows of class 1 and
            ``negatives_per_positive`` times as many of class 0; ``natural``: ``size`` groups at natural
            prevalence. A numeric target is always drawn naturally.
        size: Support size that the pool can serve.
        rng: Random stream of the episode.
        classes: Classes of the episode, for ``balanced``; None takes all.

    Returns:
        Ascending positions in the pool.
    """
    if not index.by_class:
        support = index.everything.draw(rng, size)
    elif rule.rule == "natural":
        support = _natural(index, size, rng)
    else:
        drawn = range(len(index.by_class)) if classes is None else classes.tolist()
        shots = [size] * len(drawn)
        if rule.rule == "enriched":
            shots[0] *= rule.negatives_per_positive
        support = np.concatenate(
            [index.by_class[label].draw(rng, n) for label, n in zip(drawn, shots, strict=True)]
        )
    return np.sort(support)


def draw_query(
    index: PoolIndex,
    support: IntArray,
    max_query: int,
    rng: np.random.Generator,
    classes: IntArray | None = None,
) -> IntArray:
    """Draws the query set from the groups that the support leaves free.

    All their rows are taken when they fit. Otherwise classes keep their shares, to rounding, and each
    class that is left gets a row: a query of one class can then only come from a pool that has no more.

    Args:
        index: The task's pool.
        support: Positions of the support set.
        max_query: Largest size of the query set.
        rng: Random stream of the episode.
        classes: Classes of the episode; None takes all.

    Returns:
        Ascending positions in the pool.
    """
    outside = index.outside(support)[index.codes]
    if classes is not None:
        outside &= np.isin(index.classes, classes)
    free = np.flatnonzero(outside)
    if len(free) <= max_query:
        return free.astype(np.int64)
    labels = index.classes[free]
    shares = _shares(np.bincount(labels), max_query)
    drawn = [rng.choice(free[labels == label], n, replace=False) for label, n in enumerate(shares)]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def _natural(index: PoolIndex, size: int, rng: np.random.Generator) -> IntArray:
    """Redraws until every class is in the support and has a group left for the query.

    A class so rare that a thousand draws miss it is put in: one group of each class, the rest natural.
    """
    owned = np.bincount(index.owner, minlength=len(index.by_class))
    for _ in range(_REDRAWS):
        support = index.everything.draw(rng, size)
        shown = np.bincount(index.classes[support], minlength=len(owned))
        used = np.bincount(index.owner[index.codes[support]], minlength=len(owned))
        if shown.all() and (used < owned).all():
            return support
    forced = np.concatenate([rows.draw(rng, 1) for rows in index.by_class])
    others = index.everything.draw(rng, size)
    others = others[index.outside(forced)[index.codes[others]]]
    return np.concatenate([forced, others[: size - len(forced)]])


def _shares(counts: IntArray, total: int) -> IntArray:
    """Splits ``total`` by largest remainders, with one at least for each class that is there."""
    quota = counts * (total / counts.sum())
    shares = np.maximum(np.floor(quota), counts > 0).astype(np.int64)
    while shares.sum() > total:
        shares[shares.argmax()] -= 1
    missing = total - int(shares.sum())
    shares[np.argsort(shares - quota, kind="stable")[:missing]] += 1
    return shares
