"""Support vector machines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.svm import SVC, SVR

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.kernels import median_distance
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["SupportVectors"]

_TUBE = 0.1  # deviations of the target that a value may be off at no cost


class SupportVectors(ClassicalLearner):
    """The widest margin between classes, or a tube of values (Cortes and Vapnik 1995; Drucker et al. 1996).

    Each class stands against the rest, and its margin, ±1 at the edge, serves as its logit: Platt's scaling
    would draw random folds from a handful of rows.

    Settings:
        cost: Of a row within the margin. The linear kernel is the mean product over the inputs.
        kernel: ``gaussian``, of the support's median distance as its width, or ``linear``.
        whiten: Whiten the hand-crafted features of pictures.
    """

    name = "svm"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"cost": cost, "kernel": kernel}
        for cost, kernel in (
            (1.0, "gaussian"), (1.0, "linear"), (10.0, "gaussian"), (0.1, "linear"), (0.1, "gaussian"),
            (10.0, "linear"),
        )
    )  # fmt: skip
    picture_grid: tuple[Settings, ...] = tuple(
        {"cost": cost, "kernel": kernel, "whiten": whiten}
        for cost, kernel, whiten in (
            (1.0, "linear", True), (1.0, "gaussian", False), (1.0, "gaussian", True), (1.0, "linear", False),
            (0.1, "linear", True), (10.0, "gaussian", False),
        )
    )  # fmt: skip

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """One machine per class, or one where there are two."""
        classes = range(1, 2) if y.max() == 1 else range(int(y.max()) + 1)
        arguments = _arguments(x, settings)
        machines = [SVC(**arguments).fit(x.astype(np.float64), y == c) for c in classes]

        def log_probabilities(query: FloatArray) -> NDArray[np.float64]:
            rows = query.astype(np.float64)
            margins = np.column_stack([machine.decision_function(rows) for machine in machines])
            if len(machines) == 1:
                margins = np.column_stack([-margins, margins])
            return np.asarray(log_softmax(margins, axis=1))

        return log_probabilities

    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """Support vector regression."""
        model = SVR(epsilon=_TUBE, **_arguments(x, settings)).fit(x.astype(np.float64), y)
        return lambda query: np.asarray(model.predict(query.astype(np.float64)))


def _arguments(x: FloatArray, settings: Settings) -> dict[str, object]:
    """The polynomial kernel of degree 1 is the linear one with a factor."""
    if settings["kernel"] == "linear":
        kernel = {"kernel": "poly", "degree": 1, "gamma": 1.0 / x.shape[1], "coef0": 0.0}
    else:
        kernel = {"kernel": "rbf", "gamma": 1.0 / (2 * median_distance(x) ** 2)}
    return {"C": settings["cost"], "tol": 1e-8, **kernel}
