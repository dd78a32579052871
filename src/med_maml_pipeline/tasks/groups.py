"""Group splits: which patients or molecules the tasks of each meta-split may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.seeding import stable_rng
from med_maml_pipeline.tasks.types import Examples, IntArray, MetaSplit

__all__ = ["Sides", "split_groups", "union_of_groups"]

Sides = Mapping[str, NDArray[np.int8]]
"""Examples key → ``[n]`` int8: position in `MetaSplit` of the meta-split that may use the row."""


def union_of_groups(tables: Iterable[Examples]) -> IntArray:
    """Ascending group numbers of all tables."""
    return np.unique(np.concatenate([np.unique(table.groups) for table in tables]))


def split_groups(
    tables: Mapping[str, Examples],
    fractions: tuple[float, float, float],
    *,
    problem: str,
    fold: int,
    seed: int,
) -> Sides:
    """Deals the groups of all tables to train, validation and test.

    The union of the groups, in ascending order, is permuted by seed and cut by the fractions. Ranks are
    permuted, not numbers, so a source elsewhere that shifts the numbering changes nothing.

    Args:
        tables: Tables of one problem by key.
        fractions: Of groups for train, validation and test.
        problem: Name of the problem.
        fold: Fold number.
        seed: Seed of the run.

    Returns:
        The side of every row of every table.
    """
    union = union_of_groups(tables.values())
    order = stable_rng(seed, "groups", problem, fold).permutation(len(union))
    bounds = np.rint(np.cumsum(fractions)[:2] * len(union)).astype(np.int64)
    side_of_group = np.empty(len(union), dtype=np.int8)
    for side, members in enumerate(np.split(order, bounds)):
        side_of_group[members] = side
    assert len(MetaSplit) == 1 + len(bounds)
    return {key: side_of_group[np.searchsorted(union, table.groups)] for key, table in tables.items()}
