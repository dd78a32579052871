"""Random forests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.scores import log_smoothed
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["RandomForest"]


class RandomForest(ClassicalLearner):
    """Bagged trees on random feature subsets (Breiman, Machine Learning 2001).

    Settings:
        trees: Number of trees.
        min_samples_leaf: Examples that a leaf must keep.
        max_features: Features tried per split: ``sqrt``, or a fraction.
    """

    name = "forest"
    scales_inputs = False
    adapt_grid = (
        {"trees": 100, "min_samples_leaf": 1, "max_features": "sqrt"},
        {"trees": 100, "min_samples_leaf": 1, "max_features": 0.1},
        {"trees": 100, "min_samples_leaf": 3, "max_features": "sqrt"},
        {"trees": 100, "min_samples_leaf": 3, "max_features": 0.1},
        {"trees": 300, "min_samples_leaf": 1, "max_features": "sqrt"},
    )

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """A forest whose votes are smoothed by one pseudo-example."""
        model = RandomForestClassifier(**_arguments(settings, seed)).fit(x, y)
        frequencies = np.bincount(y) / len(y)
        return lambda query: log_smoothed(model.predict_proba(query), frequencies, len(y))

    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """A forest of regression trees."""
        model = RandomForestRegressor(**_arguments(settings, seed)).fit(x, y)
        return lambda query: np.asarray(model.predict(query))


def _arguments(settings: Settings, seed: int) -> dict[str, object]:
    return {
        "n_estimators": settings["trees"],
        "min_samples_leaf": settings["min_samples_leaf"],
        "max_features": settings["max_features"],
        "random_state": seed,
        "n_jobs": 1,
    }
