"""Expression values on a common scale, sample by sample: no other sample has a say."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from med_maml_pipeline.sources.spec_expression import ExpressionScale
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["log_counts", "log_intensities", "normal_scores", "scale_samples"]


def scale_samples(x: FloatArray, scale: ExpressionScale) -> FloatArray:
    """Samples ``[n, g]`` as ``scale`` asks, float32; NaN stays NaN.

    A row's result is the same alone and in company, so one's own cases can be scaled as those a checkpoint
    was trained on. Centring and scaling per gene is for the `Encoder`, fitted on meta-training rows or on
    the support.

    Args:
        x: ``[n, g]`` values as declared by ``scale.values``.
        scale: What the values are and how to scale them.

    Raises:
        ValueError: a sample without any count under ``scaling: log``.
    """
    if scale.scaling == "none":
        return x.astype(np.float32, copy=False)
    if scale.scaling == "quantile":
        return normal_scores(x)
    return log_counts(x) if scale.values == "counts" else log_intensities(x, scale.floor)


def log_counts(x: FloatArray) -> FloatArray:
    """log2 of counts per million plus one, ``[n, g]``; the library is the sample's observed counts.

    Raises:
        ValueError: the library of a sample is zero.
    """
    library = np.nansum(x, axis=1, dtype=np.float64)
    if (library <= 0).any():
        raise ValueError(f"{int((library <= 0).sum())} samples have no counts")
    to_million = np.asarray(1e6 / library, dtype=np.float32)
    return np.log2(x * to_million[:, None] + np.float32(1)).astype(np.float32, copy=False)


def log_intensities(x: FloatArray, floor: float) -> FloatArray:
    """log2 of ``[n, g]`` intensities, those below ``floor`` (negative ones too) set to it first."""
    return np.log2(np.maximum(x, np.float32(floor))).astype(np.float32, copy=False)


def normal_scores(x: FloatArray) -> FloatArray:
    """Normal quantiles of the average ranks within each sample, ``[n, g]``: Φ⁻¹(rank / (observed + 1)).

    Van der Waerden's scores. Equal values get equal scores, and any strictly rising change of a sample's
    scale leaves them as they are.
    """
    scores = np.full(x.shape, np.nan, dtype=np.float32)
    for row, values in zip(scores, x, strict=True):
        observed = ~np.isnan(values)
        row[observed] = _scores(values[observed])
    return scores


def _scores(values: FloatArray) -> FloatArray:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    by_rank: FloatArray = np.asarray(ndtri(ranks / (len(values) + 1)), dtype=np.float32)
    return by_rank[codes]
