"""Which labels each task of a problem holds: what the audit compares between meta-splits."""

from __future__ import annotations

from collections.abc import Sequence

from med_maml_pipeline.tasks.pools import Pool

__all__ = ["LabelKey", "held_labels"]

LabelKey = tuple[str, str]
"""Source and name of a label."""


def held_labels(pools: Sequence[Pool]) -> dict[str, frozenset[LabelKey]]:
    """By task id, the labels that a task holds, where any multilabel task of the problem has such a label.

    A multilabel task holds all its labels, any other task its target. Targets that no multilabel task has are
    left out: sites share one by design.

    Args:
        pools: Tasks of one problem and fold.
    """
    joined = {key for pool in pools if pool.candidate.labels for key in _keys(pool)}
    held = {pool.task.task_id: frozenset(_keys(pool) & joined) for pool in pools}
    return {task_id: keys for task_id, keys in held.items() if keys}


def _keys(pool: Pool) -> set[LabelKey]:
    names = pool.candidate.label_names or (pool.candidate.target.name,)
    return {(pool.task.source, name) for name in names}
