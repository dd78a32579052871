"""Logistic regression for classes, ridge regression for values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.scores import log_probabilities
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["LogisticRidge"]


class LogisticRidge(ClassicalLearner):
    """Linear models with a squared penalty (Hoerl and Kennard 1970; le Cessie and van Houwelingen 1992).

    Settings:
        penalty: Weight λ of the squared norm against the summed loss of the support (``1/C`` of
            scikit-learn's logistic regression, ``alpha`` of its ridge).
        whiten: Whiten the hand-crafted features of pictures.
    """

    name = "logistic"
    adapt_grid = tuple({"penalty": value} for value in (10.0, 1.0, 100.0, 1000.0, 0.1))
    picture_grid: tuple[Settings, ...] = tuple(
        {"penalty": penalty, "whiten": whiten}
        for penalty, whiten in (
            (30.0, True),
            (100.0, False),
            (300.0, True),
            (1000.0, False),
            (3.0, True),
            (10.0, False),
        )
    )

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Multinomial (for two classes: binomial) logistic regression."""
        model = LogisticRegression(C=1.0 / settings["penalty"], max_iter=1000)
        model.fit(x.astype(np.float64), y)
        return lambda query: log_probabilities(model.decision_function(query.astype(np.float64)))

    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """Ridge regression."""
        model = Ridge(alpha=settings["penalty"]).fit(x.astype(np.float64), y)
        return lambda query: np.asarray(model.predict(query.astype(np.float64)))
