"""Metrics of order: area under the ROC curve, average precision, rank correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.metrics.probabilities import Floats

__all__ = ["average_precision", "average_ranks", "binary_auroc", "spearman"]


def average_ranks(values: Floats) -> Floats:
    """Ranks ``[n]`` from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def binary_auroc(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Probability that a positive scores above a negative, ties counting half (Hanley and McNeil 1982).

    Args:
        positive: ``[q]`` labels.
        scores: ``[q]``, higher for positive; never arg-max labels, which throw the order away.

    Returns:
        The area, or NaN where all labels are the same.
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    above = average_ranks(scores)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def average_precision(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Mean precision over the positives, without interpolation; tied scores share one threshold.

    Returns:
        The average precision, or NaN where all labels are the same.
    """
    n_positive = int(positive.sum())
    if n_positive in (0, len(positive)):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    found = np.cumsum(positive[order])[last_of_tie]
    precision = found / (last_of_tie + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / n_positive)


def spearman(y: Floats, predicted: Floats) -> float:
    """Pearson correlation of the ranks, or NaN where either side is constant (Spearman 1904)."""
    if len(y) < 2:
        return float("nan")
    a, b = average_ranks(y), average_ranks(predicted)
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else float("nan")
