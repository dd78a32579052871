"""Group splits: which patients or molecules the tasks of each meta-split may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.seeding import stable_rng
from med_maml_pipeline.tasks.types import Examples, IntArray, MetaSplit

__all__ = ["GroupSplit"]

_SIDES = tuple(MetaSplit)


@dataclass(frozen=True)
class GroupSplit:
    """Deals the groups of one problem to train, validation and test, anew in each fold.

    The union of the groups of all tables, in ascending order, is permuted by seed and cut by the
    fractions. Ranks are permuted, not numbers, so a source elsewhere that shifts the numbering changes
    nothing.

    Attributes:
        problem: Name of the problem.
        tables: Tables of the problem by key.
        fractions: Of groups for train, validation and test; None where every task may use all.
        seed: Seed of the run.
    """

    problem: str
    tables: Mapping[str, Examples]
    fractions: tuple[float, float, float] | None
    seed: int
    _dealt: dict[int, Mapping[str, NDArray[np.int8]]] = field(init=False, repr=False, default_factory=dict)

    @classmethod
    def of(cls, candidates: Iterable[Candidate], seed: int) -> GroupSplit:
        """The split of the tables that the tasks of one problem use."""
        members = list(candidates)
        tables = {candidate.examples.key: candidate.examples for candidate in members}
        return cls(members[0].problem, tables, members[0].spec.group_split, seed)

    def rows(self, candidate: Candidate, meta_split: MetaSplit, fold: int) -> IntArray:
        """``[n]`` ascending labelled rows of a task that its meta-split may use."""
        labelled = candidate.rows()
        if self.fractions is None:
            return labelled
        if fold not in self._dealt:
            self._dealt[fold] = self._deal(fold, self.fractions)
        sides = self._dealt[fold][candidate.examples.key]
        return labelled[sides[labelled] == _SIDES.index(meta_split)]

    def _deal(self, fold: int, fractions: tuple[float, float, float]) -> Mapping[str, NDArray[np.int8]]:
        """Side (position in `MetaSplit`) of every row of every table."""
        union = np.unique(np.concatenate([np.unique(table.groups) for table in self.tables.values()]))
        order = stable_rng(self.seed, "groups", self.problem, fold).permutation(len(union))
        bounds = np.rint(np.cumsum(fractions)[:2] * len(union)).astype(np.int64)
        side_of_group = np.empty(len(union), dtype=np.int8)
        for side, members in enumerate(np.split(order, bounds)):
            side_of_group[members] = side
        return {key: side_of_group[np.searchsorted(union, t.groups)] for key, t in self.tables.items()}
