"""Which rows of an assay table are the same molecule, and what their cells say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.features.molecules import StandardMolecule, standardise_all
from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["MergedCells", "MoleculeRows"]


@dataclass
class MoleculeRows:
    """The molecules of a table and which rows are theirs.

    Attributes:
        numbers: ``[rows]`` number of each row's molecule, by first appearance; -1 where unparsable.
        standard: The molecules by number.
    """

    numbers: IntArray
    standard: list[StandardMolecule]

    @classmethod
    def of(cls, chunks: Iterable[list[str]]) -> MoleculeRows:
        """Standardises and numbers the SMILES of a table, given in chunks of rows."""
        known: dict[str, int] = {}
        standard: list[StandardMolecule] = []
        numbers: list[int] = []
        for texts in chunks:
            for molecule in standardise_all(texts):
                number = -1 if molecule is None else known.setdefault(molecule.key, len(standard))
                if molecule is not None and number == len(standard):
                    standard.append(molecule)
                numbers.append(number)
        return cls(np.array(numbers, dtype=np.int64), standard)

    @property
    def rows_of(self) -> IntArray:
        """Number of rows of each molecule."""
        return np.bincount(self.numbers[self.numbers >= 0], minlength=len(self.standard))


@dataclass
class MergedCells:
    """Assay results of the molecules that have several rows.

    Attributes:
        y: Molecule number to its cells ``[t]``: the first known value of each.
        conflicts: Molecule number to the cells ``[t]`` on which its rows disagree.
    """

    y: dict[int, FloatArray] = field(default_factory=dict)
    conflicts: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    def add(self, number: int, cells: FloatArray) -> None:
        """Takes up one row of a molecule."""
        if number not in self.y:
            self.y[number], self.conflicts[number] = cells.copy(), np.zeros(len(cells), dtype=bool)
            return
        known = self.y[number]
        both = ~np.isnan(known) & ~np.isnan(cells)
        self.conflicts[number] |= both & (known != cells)
        known[np.isnan(known)] = cells[np.isnan(known)]

    def settle(self) -> int:
        """Sets the cells in conflict to missing and returns how many they are."""
        for number, conflicts in self.conflicts.items():
            self.y[number][conflicts] = np.nan
        return sum(int(conflicts.sum()) for conflicts in self.conflicts.values())
