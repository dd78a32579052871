"""Width-independent inputs: tables with different columns seen through the same number of ranked ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.features.encoder import Encoder, Scaling
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, IntArray, TargetType

__all__ = ["SupportRanked"]

_CLIP = 5.0
_DIGITS = 6  # below this, differences in association are rounding: columns tie


@dataclass(frozen=True)
class SupportRanked:
    """A fitted, inductive map from raw features ``[n, f]`` to ``[n, width]``, alike for tables of any width.

    Columns are encoded and standardised on the support, then ordered by their association with its labels:
    the share of variance that the label explains, which orders columns as the ANOVA F statistic (classes)
    or the absolute correlation (regression) does. In binary and regression tasks each column is turned so
    that it rises with the label. So the first input always means "the most telling column", whatever was
    measured, and a learner can be shared by tables that have no column in common. Spare places are zeros.

    The output does not depend on the order of the table's columns: ties are broken by what the columns hold.

    Attributes:
        encoder: Encoder fitted on the support.
        order: ``[k]`` encoded columns, most associated first, ``k <= width``.
        centre: ``[k]`` means on the support.
        slope: ``[k]`` signed inverse standard deviations; 0 for constant columns.
        width: Number of inputs.
    """

    encoder: Encoder
    order: IntArray
    centre: FloatArray
    slope: FloatArray
    width: int

    @classmethod
    def fit(
        cls,
        x_support: FloatArray,
        y_support: FloatArray,
        target_type: TargetType,
        n_classes: int,
        kinds: Sequence[FeatureKind],
        width: int = 32,
        scaling: Scaling = "robust",
    ) -> SupportRanked:
        """Learns encoding, order and signs from a support set.

        Args:
            x_support: ``[n, f]`` raw features, NaN = missing.
            y_support: ``[n]`` class indices or values.
            target_type: Type of the target.
            n_classes: Number of classes (0 for regression).
            kinds: ``f`` feature kinds.
            width: Number of inputs to give.
            scaling: Of the encoder.
        """
        encoder = Encoder.fit(x_support, kinds, scaling)
        z = encoder.transform(x_support).astype(np.float64)
        centre, spread = z.mean(axis=0), z.std(axis=0)
        slope = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
        z = (z - centre) * slope
        if target_type is TargetType.MULTICLASS:
            strength = _explained(z, y_support, n_classes)
        else:
            covariance = _covariance(z, y_support)
            strength = covariance**2
            signs = np.where(np.round(covariance, _DIGITS) < 0, -1.0, 1.0)
            slope, z = slope * signs, z * signs
        order = _rank(strength, z)[:width]
        return cls(encoder, order, centre[order].astype(np.float32), slope[order].astype(np.float32), width)

    def transform(self, x: FloatArray) -> FloatArray:
        """Maps raw ``x`` ``[n, f]`` to ``[n, width]`` float32, row by row, each value within ±5."""
        ranked = (self.encoder.transform(x)[:, self.order] - self.centre) * self.slope
        out = np.zeros((len(x), self.width), dtype=np.float32)
        out[:, : len(self.order)] = np.clip(ranked, -_CLIP, _CLIP)
        return out


def _covariance(z: NDArray[np.float64], y: FloatArray) -> NDArray[np.float64]:
    """Correlation of each standardised column with the label, ``[w]``; 0 where the label is constant."""
    centred = y.astype(np.float64) - y.mean(dtype=np.float64)
    spread = centred.std()
    return z.T @ centred / (len(y) * spread) if spread > 0 else np.zeros(z.shape[1])


def _explained(z: NDArray[np.float64], y: FloatArray, n_classes: int) -> NDArray[np.float64]:
    """Share of each standardised column's variance that lies between classes, ``[w]`` in 0..1."""
    members = np.eye(n_classes)[y.astype(np.int64)]
    counts = members.sum(axis=0)
    means = (members.T @ z) / np.maximum(counts, 1.0)[:, None]
    return (counts[:, None] * means**2).sum(axis=0) / len(y)


def _rank(strength: NDArray[np.float64], z: NDArray[np.float64]) -> IntArray:
    """Columns by falling strength; equal ones by their content from the first support row on."""
    content = np.round(z, _DIGITS)[::-1]
    return np.lexsort((*content, -np.round(strength, _DIGITS))).astype(np.int64)
