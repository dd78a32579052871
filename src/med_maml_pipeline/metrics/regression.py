"""Metrics of one episode with a numeric target."""

from __future__ import annotations

import numpy as np

from med_maml_pipeline.metrics.probabilities import Floats
from med_maml_pipeline.metrics.ranking import spearman

__all__ = ["r_squared", "regression_scores"]


def regression_scores(y: Floats, predicted: Floats) -> dict[str, float]:
    """R², Spearman's rank correlation and mean absolute error (in the unit of the target).

    Args:
        y: ``[q]`` true values.
        predicted: ``[q]``.
    """
    return {
        "r2": r_squared(y, predicted),
        "spearman": spearman(y, predicted),
        "mae": float(np.abs(y - predicted).mean()),
    }


def r_squared(y: Floats, predicted: Floats) -> float:
    """One minus the squared error over that of the query's mean; NaN where the target is constant."""
    if len(y) < 2 or np.ptp(y) == 0:
        return float("nan")
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())
