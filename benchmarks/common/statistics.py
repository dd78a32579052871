"""Medians and their intervals from few rounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["line", "median_interval"]


def median_interval(values: ArrayLike, draws: int = 2000) -> tuple[float, float, float]:
    """Median and its 95 % bootstrap interval; with two rounds that is the range."""
    given = np.asarray(values, dtype=float)
    chosen = np.random.default_rng(0).integers(len(given), size=(draws, len(given)))
    low, high = np.quantile(np.median(given[chosen], axis=1), [0.025, 0.975])
    return float(np.median(given)), float(low), float(high)


def line(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    slope, intercept = np.polyfit(np.asarray(x, dtype=float), np.asarray(y, dtype=float), 1)
    return float(slope), float(intercept)
