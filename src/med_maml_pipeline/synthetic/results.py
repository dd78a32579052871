"""Assay results: scores by rule, noise, thresholds and cells that were never measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.library import Library
from med_maml_pipeline.synthetic.mechanisms import molecule_features
from med_maml_pipeline.synthetic.panel import CELLS, Assay
from med_maml_pipeline.synthetic.seeds import Stream, generator

__all__ = ["Results", "measure_panel"]

_NOISE = 0.75  # standard deviation of the noise, relative to that of the noise-free score


@dataclass(frozen=True)
class Results:
    """Results of n rows in t assays.

    Attributes:
        scores: ``[m, t]`` noise-free scores of the distinct molecules.
        noise: ``[t]`` standard deviation of the noise added to a score.
        threshold: ``[t]`` a noisy score above it is a hit.
        hits: ``[n, t]`` 0, 1 or NaN where not measured.
    """

    scores: NDArray[np.float64]
    noise: NDArray[np.float64]
    threshold: NDArray[np.float64]
    hits: NDArray[np.float64]


def measure_panel(library: Library, panel: Sequence[Assay], seed: int) -> Results:
    """Measures every row of the library in every assay.

    Duplicates are measured anew, so that some disagree. Broken rows have results too: of a molecule
    that nobody can tell any more.
    """
    rng = generator(seed, Stream.RESULTS)
    scores = molecule_features(library.distinct) @ np.array([assay.weights for assay in panel]).T
    noise = _NOISE * scores.std(axis=0)
    lost = rng.integers(len(library.distinct), size=len(library.molecule))
    molecule = np.where(library.molecule >= 0, library.molecule, lost)
    noisy = scores[molecule] + noise * rng.normal(size=(len(molecule), len(panel)))
    threshold = np.array(
        [np.quantile(column, 1.0 - assay.hit_rate) for column, assay in zip(noisy.T, panel, strict=True)]
    )
    hits = np.where(_measured(rng, len(molecule), panel), noisy > threshold, np.nan)
    return Results(scores, noise, threshold, hits)


def _measured(rng: np.random.Generator, n: int, panel: Sequence[Assay]) -> NDArray[np.bool_]:
    """Which cells are filled: a laboratory (cell line) tends to lack the same molecules in all its assays."""
    campaign = rng.random((n, len(CELLS)))
    columns = []
    for assay in panel:
        reach = 0.6 * campaign[:, CELLS.index(assay.cell)] + 0.4 * rng.random(n)
        columns.append(reach > np.quantile(reach, assay.missing))
    return np.column_stack(columns)
