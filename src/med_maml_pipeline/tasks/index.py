"""A pool indexed by group and class, so that draws take microseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["GroupedRows", "PoolIndex", "group_codes", "owners"]


def group_codes(groups: IntArray) -> tuple[IntArray, int]:
    """Groups as codes ``0..g-1`` ``[n]``, and their number ``g``."""
    unique, codes = np.unique(groups, return_inverse=True)
    return codes.astype(np.int64), len(unique)


def owners(codes: IntArray, n_groups: int, classes: IntArray, n_classes: int) -> IntArray:
    """The class that each group counts for, and may be drawn for.

    A group whose rows are of several classes serves the one that has the fewest groups so far, so that
    supports of different classes never meet in a group and what is counted can be drawn.

    Args:
        codes: ``[n]`` group codes.
        n_groups: Number of groups ``g``.
        classes: ``[n]`` class indices.
        n_classes: Number of classes.

    Returns:
        ``[g]`` class indices.
    """
    shown = np.zeros((n_groups, n_classes), dtype=bool)
    shown[codes, classes] = True
    breadth = shown.sum(axis=1)
    owner = shown.argmax(axis=1).astype(np.int64)
    counts = np.bincount(owner[breadth == 1], minlength=n_classes).tolist()
    by_breadth = np.argsort(breadth, kind="stable")
    for group in by_breadth[np.searchsorted(breadth[by_breadth], 2) :]:
        fewest = min(np.flatnonzero(shown[group]).tolist(), key=counts.__getitem__)
        owner[group] = fewest
        counts[fewest] += 1
    return owner


@dataclass(frozen=True)
class GroupedRows:
    """Positions in a pool, sorted by group: ``counts[g]`` of them from ``starts[g]`` on."""

    positions: IntArray
    starts: IntArray
    counts: IntArray

    @classmethod
    def of(cls, positions: IntArray, codes: IntArray) -> GroupedRows:
        """Sorts ``positions`` ``[m]`` by their group codes ``[m]``."""
        order = np.argsort(codes, kind="stable")
        _, starts, counts = np.unique(codes[order], return_index=True, return_counts=True)
        return cls(positions[order], starts.astype(np.int64), counts.astype(np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def draw(self, rng: np.random.Generator, size: int) -> IntArray:
        """``[size]`` positions at random, of as many different groups."""
        groups = rng.choice(len(self.starts), size, replace=False)
        within = (rng.random(size) * self.counts[groups]).astype(np.int64)
        return self.positions[self.starts[groups] + within]


@dataclass(frozen=True)
class PoolIndex:
    """One task's pool, ready to be drawn from.

    Attributes:
        classes: ``[n]`` class indices; zeros for a numeric target.
        codes: ``[n]`` group codes.
        sizes: ``[g]`` rows per group.
        owner: ``[g]`` class that each group counts for.
        everything: All rows by group.
        by_class: For each class the rows of that class in the groups that count for it; empty for a
            numeric target.
    """

    classes: IntArray
    codes: IntArray
    sizes: IntArray
    owner: IntArray
    everything: GroupedRows
    by_class: tuple[GroupedRows, ...]

    @classmethod
    def of(cls, y: FloatArray, groups: IntArray, n_classes: int) -> PoolIndex:
        """Indexes labels ``y`` ``[n]`` and groups ``[n]``; ``n_classes`` is 0 for a numeric target."""
        codes, n_groups = group_codes(groups)
        classes = y.astype(np.int64) if n_classes else np.zeros(len(y), dtype=np.int64)
        owner = owners(codes, n_groups, classes, max(n_classes, 1))
        positions = np.arange(len(y), dtype=np.int64)
        by_class = []
        for label in range(n_classes):
            own = np.flatnonzero((classes == label) & (owner[codes] == label))
            by_class.append(GroupedRows.of(positions[own], codes[own]))
        return cls(
            classes=classes,
            codes=codes,
            sizes=np.bincount(codes, minlength=n_groups).astype(np.int64),
            owner=owner,
            everything=GroupedRows.of(positions, codes),
            by_class=tuple(by_class),
        )

    def draw_classes(self, rng: np.random.Generator, ways: int | None) -> IntArray:
        """``[ways]`` ascending classes of an episode, drawn at random; all of them where ``ways`` is None."""
        if ways is None:
            return np.arange(len(self.by_class), dtype=np.int64)
        return np.sort(rng.choice(len(self.by_class), ways, replace=False)).astype(np.int64)

    def rows_of(self, classes: IntArray) -> IntArray:
        """Ascending positions of all rows of these classes."""
        wanted = np.zeros(len(self.by_class), dtype=bool)
        wanted[classes] = True
        return np.flatnonzero(wanted[self.classes]).astype(np.int64)

    def outside(self, support: IntArray) -> NDArray[np.bool_]:
        """``[g]`` mask of the groups that have no row in ``support``."""
        free = np.ones(len(self.sizes), dtype=bool)
        free[self.codes[support]] = False
        return free
