"""Episodes of multilabel tasks: supports and queries that show both classes of each label where they can."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.index import GroupedRows, group_codes
from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["LabelIndex"]

_REDRAWS = 1_000


@dataclass(frozen=True)
class LabelIndex:
    """The pool of a multilabel task, ready to be drawn from.

    Attributes:
        shown: ``[n, 2 L]`` whether a row is a negative (first ``L`` columns), or a positive, of each label.
        codes: ``[n]`` group codes.
        by_group: ``[g, 2 L]`` whether any row of a group shows a class.
        everything: All rows by group.
    """

    shown: NDArray[np.bool_]
    codes: IntArray
    by_group: NDArray[np.bool_]
    everything: GroupedRows

    @classmethod
    def of(cls, y: FloatArray, groups: IntArray) -> LabelIndex:
        """Indexes labels ``y`` ``[n, L]`` (NaN where unobserved) and groups ``[n]``."""
        codes, n_groups = group_codes(groups)
        shown = np.concatenate([y == 0, y == 1], axis=1)
        by_group = np.zeros((n_groups, shown.shape[1]), dtype=bool)
        np.logical_or.at(by_group, codes, shown)
        everything = GroupedRows.of(np.arange(len(y), dtype=np.int64), codes)
        return cls(shown, codes, by_group, everything)

    def support(self, rule: SupportRule, size: int, rng: np.random.Generator) -> IntArray:
        """Draws a support set with at most one row per group.

        Args:
            rule: ``balanced``: rows are added until each class of each label has ``size`` of them, the rarest
                first; rows that were drawn for one label count for all. ``natural``: ``size`` groups at
                natural prevalence, redrawn until both classes of each label are in it and left outside;
                classes that a thousand draws miss are put in, as far as ``size`` goes.
            size: Support size that the pool can serve.
            rng: Random stream of the episode.

        Returns:
            Ascending positions in the pool.
        """
        if rule.rule == "balanced":
            return np.sort(self._covering(size, rng))
        for _ in range(_REDRAWS):
            support = self.everything.draw(rng, size)
            if self._both_sides(support):
                return np.sort(support)
        forced = self._covering(1, rng)[:size]
        others = support[self._free(forced)[self.codes[support]]]
        return np.sort(np.concatenate([forced, others[: size - len(forced)]]))

    def query(self, support: IntArray, max_query: int, rng: np.random.Generator) -> IntArray:
        """All rows of the groups that the support leaves free, or ``max_query`` of them.

        Each class of each label that is left gets a row, as far as ``max_query`` goes; the others are random.

        Returns:
            Ascending positions in the pool.
        """
        free = np.flatnonzero(self._free(support)[self.codes])
        order = rng.permutation(free)
        if len(free) <= max_query:
            return free
        chosen = order[:max_query]
        there = self.shown[free].any(axis=0)
        if (there & ~self.shown[chosen].any(axis=0)).any():
            first = order[self.shown[order].argmax(axis=0)]  # of each class, in random order
            chosen = np.concatenate([first[there], order])
            chosen = chosen[np.sort(np.unique(chosen, return_index=True)[1])][:max_query]
        return np.sort(chosen)

    def _covering(self, size: int, rng: np.random.Generator) -> IntArray:
        """Rows of different groups with ``size`` of each class of each label, where there are so many.

        Groups without which a class would be missing in the query are left out while there are others.
        """
        free = np.ones(len(self.by_group), dtype=bool)
        left = self.by_group.sum(axis=0)
        held = np.zeros(self.shown.shape[1], dtype=np.int64)
        drawn: list[int] = []
        for side in np.argsort(left, kind="stable"):
            while held[side] < size:
                able = free & self.by_group[:, side]
                spared = able & ~self.by_group[:, left <= 1].any(axis=1)
                candidates = np.flatnonzero(spared if spared.any() else able)
                if not len(candidates):
                    break
                group = rng.choice(candidates)
                rows = np.flatnonzero((self.codes == group) & self.shown[:, side])
                row = int(rng.choice(rows))
                drawn.append(row)
                held += self.shown[row]
                left -= self.by_group[group]
                free[group] = False
        return np.array(drawn, dtype=np.int64)

    def _both_sides(self, support: IntArray) -> bool:
        inside = self.shown[support].any(axis=0)
        outside = self.by_group[self._free(support)].any(axis=0)
        return bool(inside.all() and outside.all())

    def _free(self, support: IntArray) -> NDArray[np.bool_]:
        """``[g]`` mask of the groups that have no row in ``support``."""
        free = np.ones(len(self.by_group), dtype=bool)
        free[self.codes[support]] = False
        return free
