"""Quantiles of columns with gaps, and the normal scores that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["NormalScores", "column_quantiles"]

_LEVELS = 101


def column_quantiles(x: FloatArray, probabilities: Sequence[float] | NDArray[np.float64]) -> FloatArray:
    """Quantiles ``[k, f]`` of the observed cells of each column; each has at least one.

    As ``np.nanquantile`` (linear), which is a hundred times slower on small supports with missing cells.
    """
    ordered = np.sort(x, axis=0)  # NaN last
    place = np.outer(probabilities, (~np.isnan(x)).sum(axis=0) - 1)
    below = np.floor(place).astype(np.int64)
    columns = np.arange(x.shape[1])
    low, high = ordered[below, columns], ordered[np.ceil(place).astype(np.int64), columns]
    return (low + (high - low) * (place - below)).astype(np.float32)


@dataclass(frozen=True)
class NormalScores:
    """A fitted, inductive map of each column to the normal distribution (van der Waerden 1952).

    A value becomes the normal quantile of its rank among the fitting rows, between ranks interpolated, beyond
    them that of the lowest or highest. With ``m`` observed values ranks lie within ``1/2m`` and ``1 - 1/2m``,
    so that few rows give no extreme scores. Equal values share their middle rank.

    Attributes:
        quantiles: ``[levels, f]`` quantiles of the fitting rows, at equal steps from 0 to 1.
        observed: ``[f]`` numbers of observed values.
    """

    quantiles: FloatArray
    observed: IntArray

    @classmethod
    def fit(cls, x: FloatArray) -> NormalScores:
        """Learns the quantiles of ``x`` ``[n, f]`` (NaN = missing); each column has an observed cell."""
        levels = np.linspace(0.0, 1.0, min(len(x), _LEVELS))
        return cls(column_quantiles(x, levels), (~np.isnan(x)).sum(axis=0).astype(np.int64))

    def transform(self, x: FloatArray) -> NDArray[np.float64]:
        """Scores ``[n, f]`` of ``x`` ``[n, f]``; missing cells stay so."""
        levels = np.linspace(0.0, 1.0, len(self.quantiles))
        ranks = np.empty(x.shape)
        for column, known in enumerate(self.quantiles.T):
            values = x[:, column]
            # Where quantiles tie, interpolation from the left takes the last rank, from the right the first.
            ranks[:, column] = np.interp(values, known, levels) - np.interp(
                -values, -known[::-1], -levels[::-1]
            )
        return np.asarray(ndtri((ranks / 2 * (self.observed - 1) + 0.5) / self.observed))
