"""Transfer: linear discriminant analysis of pre-trained features, its covariance partly known beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.linear_model import Ridge

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.inputs import EncodedSupport
from med_maml_pipeline.learners.learned_features import learned_features
from med_maml_pipeline.learners.protocol import Checkpoint, Settings
from med_maml_pipeline.learners.transfer import Pretrained
from med_maml_pipeline.tasks.types import FloatArray, Support

__all__ = ["Discriminant"]

Matrix = NDArray[np.float64]


class Discriminant(Pretrained, ClassicalLearner):
    """Classes of one covariance, regularised by the meta-training tasks (Fisher 1936; Friedman, JASA 1989).

    The scatter within the support's classes is drawn towards a covariance known beforehand: that within the
    classes of the meta-training tasks (see `fit_whitening`), mixed with a multiple of the identity. Features
    are first put into the metric in which the known covariance is the identity. Values are fitted by ridge
    regression in that metric. Where no covariance is known (tables that share no column, pictures without
    hand-crafted features) the features' own scale stands in for it.

    Settings:
        strength: Examples that the known covariance counts as.
        share: Of the meta-training tasks' covariance in it; the rest is the identity's.
        penalty: Of the ridge regression.
    """

    name = "lda"
    lane = "transfer"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"strength": strength, "share": share, "penalty": penalty}
        for strength, share, penalty in (
            (1000.0, 0.1, 10.0), (100.0, 0.1, 100.0), (100.0, 0.5, 1.0), (10.0, 0.1, 1000.0),
            (10_000.0, 0.0, 10.0), (30.0, 0.9, 10.0), (1000.0, 0.9, 100.0),
        )
    )  # fmt: skip
    picture_grid: tuple[Settings, ...] = tuple(
        {"strength": strength, "share": share, "penalty": penalty}
        for strength, share, penalty in (
            (100.0, 0.9, 30.0), (1000.0, 0.99, 100.0), (100.0, 0.5, 100.0), (1000.0, 0.5, 1000.0),
            (10.0, 0.9, 10.0), (1000.0, 0.1, 300.0),
        )
    )  # fmt: skip

    def encode(self, checkpoint: Checkpoint, support: Support, settings: Settings) -> EncodedSupport:
        """Features in the metric of the covariance that is known beforehand."""
        return learned_features(checkpoint, support, "whitened", settings["share"])

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Gaussian classes with the support's frequencies."""
        rows, sizes = x.astype(np.float64), np.bincount(y)
        means = np.array([rows[y == c].mean(axis=0) for c in range(len(sizes))])
        weights = _precision_times(rows - means[y], means, settings["strength"])
        offsets = np.log(sizes / len(y)) - (weights * means).sum(axis=1) / 2

        def log_probabilities(query: FloatArray) -> Matrix:
            return np.asarray(log_softmax(query.astype(np.float64) @ weights.T + offsets, axis=1))

        return log_probabilities

    def fit_values(self, x: FloatArray, y: Matrix, settings: Settings, seed: int) -> Fitted:
        """Ridge regression."""
        model = Ridge(alpha=settings["penalty"]).fit(x.astype(np.float64), y)
        return lambda query: np.asarray(model.predict(query.astype(np.float64)))


def _precision_times(residuals: Matrix, means: Matrix, strength: float) -> Matrix:
    """``means`` ``[c, d]`` times the inverse of ``(RᵀR + strength I) / (n + strength)``, ``R`` ``[n, d]``.

    By Woodbury's identity: a system of the support's size, not of the features' number.
    """
    n = len(residuals)
    inner = np.linalg.solve(residuals @ residuals.T + strength * np.eye(n), residuals @ means.T)
    return (n + strength) / strength * (means - inner.T @ residuals)
