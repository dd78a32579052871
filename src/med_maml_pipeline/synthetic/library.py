"""The molecule library as it would come from a screening facility: with duplicates and broken rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from med_maml_pipeline.synthetic.fragments import ENDS, LINKERS, SCAFFOLDS, SUBSTITUENTS, assemble
from med_maml_pipeline.synthetic.seeds import Stream, generator

__all__ = ["Library", "make_library"]

_DUPLICATES, _UNPARSABLE = 0.015, 0.004  # shares of the rows


@dataclass(frozen=True)
class Library:
    """The rows of the assay table.

    Attributes:
        smiles: ``n`` SMILES as written, m of them canonical and distinct.
        distinct: ``m`` canonical SMILES.
        molecule: ``[n]`` number of the distinct molecule; -1 where the SMILES is broken.
        duplicate: ``[n]`` whether the row repeats a molecule in another way of writing.
    """

    smiles: tuple[str, ...]
    distinct: tuple[str, ...]
    molecule: NDArray[np.int64]
    duplicate: NDArray[np.bool_]


def make_library(count: int, seed: int) -> Library:
    """Assembles ``count`` rows: distinct molecules, a few duplicates and a few broken strings, shuffled."""
    rng = generator(seed, Stream.LIBRARY)
    n_broken = max(3, round(_UNPARSABLE * count))
    n_duplicate = max(6, round(_DUPLICATES * count))
    distinct = _distinct(rng, count - n_broken - n_duplicate)
    repeated = rng.choice(len(distinct), size=n_duplicate, replace=False)
    again = [_rewrite(distinct[number], turn, rng) for turn, number in enumerate(repeated)]
    broken = [_break(distinct[rng.integers(len(distinct))], turn) for turn in range(n_broken)]
    order = rng.permutation(count)
    smiles = [*distinct, *again, *broken]
    molecule = np.concatenate([np.arange(len(distinct)), repeated, np.full(n_broken, -1)])
    duplicate = np.arange(count) >= len(distinct)
    return Library(
        smiles=tuple(smiles[row] for row in order),
        distinct=tuple(distinct),
        molecule=molecule[order].astype(np.int64),
        duplicate=(duplicate & (molecule >= 0))[order],
    )


def _distinct(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct canonical SMILES in order of first appearance; there are millions to draw from."""
    found: dict[str, None] = {}
    while len(found) < count:
        chain = LINKERS[rng.integers(len(LINKERS))] + ENDS[rng.integers(len(ENDS))]
        second, third = (SUBSTITUENTS[number] for number in rng.integers(len(SUBSTITUENTS), size=2))
        text = assemble(SCAFFOLDS[rng.integers(len(SCAFFOLDS))], chain, second, third)
        found[Chem.CanonSmiles(text)] = None
    return list(found)


def _rewrite(smiles: str, turn: int, rng: np.random.Generator) -> str:
    """The same molecule with its atoms in another order; every second time as hydrochloride."""
    seed = int(rng.integers(1, 2**31 - 1))
    other: str = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), 1, randomSeed=seed)[0]
    return f"{other}.Cl" if turn % 2 else other


def _break(smiles: str, turn: int) -> str:
    """A string that is no SMILES, in one of the ways that real tables show."""
    return (f"{smiles}(", f"[{smiles}", "not available")[turn % 3]
