"""Nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.scores import log_smoothed
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["NearestNeighbours"]


class NearestNeighbours(ClassicalLearner):
    """Votes, or the mean, of the nearest support examples in Euclidean distance (Cover and Hart 1967).

    Settings:
        k: Number of neighbours; the whole support where it is smaller.
        weights: ``uniform`` or ``distance`` (inverse).
    """

    name = "knn"
    adapt_grid = (
        {"k": 5, "weights": "distance"},
        {"k": 1, "weights": "uniform"},
        {"k": 10, "weights": "distance"},
        {"k": 30, "weights": "distance"},
    )

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Votes, smoothed by one pseudo-example."""
        model = KNeighborsClassifier(**_arguments(settings, len(y))).fit(x, y)
        frequencies = np.bincount(y) / len(y)
        return lambda query: log_smoothed(model.predict_proba(query), frequencies, len(y))

    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """The mean of the neighbours' values."""
        model = KNeighborsRegressor(**_arguments(settings, len(y))).fit(x, y)
        return lambda query: np.asarray(model.predict(query))


def _arguments(settings: Settings, n_support: int) -> dict[str, object]:
    return {
        "n_neighbors": min(settings["k"], n_support),
        "weights": settings["weights"],
        # Distances pair by pair: a matrix product's rounding would depend on the batch, and break ties by it.
        "algorithm": "ball_tree",
        "n_jobs": 1,
    }
