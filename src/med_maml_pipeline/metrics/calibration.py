"""Calibration: stated probability against observed frequency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from med_maml_pipeline.metrics.probabilities import Floats, as_matrix, softmax

__all__ = ["N_BINS", "expected_calibration_error", "reliability_bins", "stated_and_observed"]

N_BINS = 15
"""Bins of equal width on [0, 1], as in Guo et al. 2017."""


def stated_and_observed(y: Floats, probabilities: Floats) -> tuple[Floats, Floats]:
    """What was claimed, and whether it came true, ``[q]`` each.

    Binary: the probability of the positive class against the label, so that an error of risk cannot hide
    behind its mirror image (Naeini et al. 2015). More classes: the probability of the most probable class
    against whether it is right (Guo et al. 2017).

    Args:
        y: ``[q]`` class indices.
        probabilities: ``[q, c]``.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], (y == 1).astype(np.float64)
    return probabilities.max(axis=1), (y == probabilities.argmax(axis=1)).astype(np.float64)


def expected_calibration_error(y: Floats, probabilities: Floats) -> float:
    """Mean gap of stated and observed over 15 bins of equal width, weighted by their counts.

    Biased upwards on small query sets, alike for all learners. ``y`` ``[q]``, ``probabilities`` ``[q, c]``.
    """
    _, stated, observed = _sums(*stated_and_observed(y, probabilities), N_BINS)
    return float(np.abs(stated - observed).sum() / len(y))


def reliability_bins(
    predictions: pd.DataFrame, by: Sequence[str] = ("lane", "learner"), n_bins: int = N_BINS
) -> pd.DataFrame:
    """Reliability curve per group of classification predictions, pooled over episodes.

    Args:
        predictions: Rows with ``y`` ``[q]`` and ``scores`` ``[q * c]``; numeric targets are left out.
        by: Columns that name a curve.
        n_bins: Bins of equal width on [0, 1].

    Returns:
        Columns ``by``, ``bin``, ``stated``, ``observed``, ``count``; empty bins are left out.
    """
    tables = []
    for key, rows in predictions.groupby(list(by), sort=False):
        total = np.zeros((3, n_bins))
        for y_list, scores in zip(rows["y"], rows["scores"], strict=True):
            y = np.asarray(y_list, dtype=np.float64)
            logits = as_matrix(scores, len(y))
            if logits.shape[1] > 1:
                total += _sums(*stated_and_observed(y, softmax(logits)), n_bins)
        filled = np.flatnonzero(total[0])
        count, stated, observed = total[:, filled]
        figures = {"bin": filled, "stated": stated / count, "observed": observed / count}
        tables.append(
            pd.DataFrame({**dict(zip(by, key, strict=True)), **figures, "count": count.astype(np.int64)})
        )
    columns = [*by, "bin", "stated", "observed", "count"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _sums(stated: Floats, observed: Floats, n_bins: int) -> Floats:
    """Count, sum of stated and sum of observed per bin, ``[3, n_bins]``."""
    index = np.minimum(
        (stated * n_bins).astype(np.int64), n_bins - 1
    )  # a probability of 1 is in the last bin
    weights = (np.ones_like(stated), stated, observed)
    return np.stack([np.bincount(index, weights=weight, minlength=n_bins) for weight in weights])
