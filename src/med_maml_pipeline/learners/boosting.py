"""Gradient-boosted trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.scores import log_probabilities
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["GradientBoosting"]


class GradientBoosting(ClassicalLearner):
    """Small trees, each fitted to what the former ones left (Friedman, Annals of Statistics 2001).

    Splits are searched exactly: histograms of a few rows would hide most thresholds. Each split looks at some
    of the features only, which tells the trees apart where many features split a small support alike.

    Settings:
        trees: Number of trees, for each class where there are more than two.
        depth: Of a tree; 1 gives a sum of functions of single features.
        learning_rate: Share of a tree that is kept.
        max_features: Features tried per split: ``sqrt``, or a fraction.
        subsample: Share of the support that a tree sees.
    """

    name = "boosting"
    scales_inputs = False
    adapt_grid = tuple(
        {"trees": trees, "depth": depth, "learning_rate": rate, "max_features": share, "subsample": part}
        for trees, depth, rate, share, part in (
            (100, 2, 0.05, "sqrt", 0.7),
            (100, 1, 0.1, "sqrt", 1.0),
            (100, 3, 0.1, "sqrt", 0.7),
            (100, 1, 0.05, 0.1, 0.7),
            (50, 1, 0.1, 1.0, 1.0),
            (200, 2, 0.02, "sqrt", 0.5),
        )
    )

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Boosted log-odds (two classes) or logits."""
        model = GradientBoostingClassifier(**_arguments(settings, seed)).fit(x, y)
        return lambda query: log_probabilities(model.decision_function(query))

    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """Boosting of the squared error."""
        model = GradientBoostingRegressor(**_arguments(settings, seed)).fit(x, y)
        return lambda query: np.asarray(model.predict(query))


def _arguments(settings: Settings, seed: int) -> dict[str, object]:
    return {
        "n_estimators": settings["trees"],
        "max_depth": settings["depth"],
        "learning_rate": settings["learning_rate"],
        "max_features": settings["max_features"],
        "subsample": settings["subsample"],
        "random_state": seed,
    }
