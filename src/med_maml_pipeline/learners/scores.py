"""Class probabilities as logits, and targets on a unit scale: what the classical learners share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from med_maml_pipeline.tasks.types import FloatArray, TargetType

__all__ = ["TargetScale", "constant_logits", "log_probabilities", "log_smoothed", "spread"]

Matrix = NDArray[np.float64]


def spread(
    log_probabilities: Matrix, present: NDArray[np.int64], n_classes: int, n_support: int
) -> FloatArray:
    """Gives classes that the support lacks one pseudo-example each.

    Args:
        log_probabilities: ``[q, len(present)]`` of the classes in the support, normalised.
        present: Their indices, ascending.
        n_classes: Number of classes of the task.
        n_support: Support size.

    Returns:
        ``[q, n_classes]`` logits whose softmax are the probabilities.
    """
    absent = n_classes - len(present)
    logits = np.full((len(log_probabilities), n_classes), -np.log(n_support + absent))
    logits[:, present] = log_probabilities + np.log(n_support / (n_support + absent))
    return logits.astype(np.float32)


def log_probabilities(margins: Matrix) -> Matrix:
    """Logarithms ``[q, c]`` of the probabilities whose logits are scikit-learn's decision function.

    Args:
        margins: ``[q, c]``; of two classes the second one's logit alone, ``[q]``.
    """
    if margins.ndim == 1:
        margins = np.column_stack([np.zeros_like(margins), margins])
    return np.asarray(log_softmax(margins, axis=1))


def log_smoothed(probabilities: Matrix, frequencies: Matrix, n_support: int) -> Matrix:
    """Logarithm of probabilities drawn towards class frequencies with the weight of one example.

    Votes may be 0, whose logarithm would be infinite; one pseudo-example is Laplace's remedy.

    Args:
        probabilities: ``[q, c]``.
        frequencies: ``[c]`` of the classes in the support, all positive.
        n_support: Support size.
    """
    return np.log((n_support * probabilities + frequencies) / (n_support + 1))


def constant_logits(n_queries: int, label: int, n_classes: int, n_support: int) -> FloatArray:
    """Logits ``[q, n_classes]`` of a support that shows a single class: the same for every query."""
    return spread(np.zeros((n_queries, 1)), np.array([label]), n_classes, n_support)


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of the support's targets; 1 where they do not vary."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, y: FloatArray) -> TargetScale:
        """Statistics of ``y`` ``[n]``."""
        values = y.astype(np.float64)
        return cls(float(values.mean()), float(values.std()) or 1.0)

    @classmethod
    def of(cls, y: FloatArray, target_type: TargetType) -> TargetScale:
        """Statistics of numeric targets ``[n]``; classes stay as they are."""
        return cls.fit(y) if target_type is TargetType.REGRESSION else cls(0.0, 1.0)

    def standardise(self, y: FloatArray) -> Matrix:
        """``[n]`` targets with mean 0 and deviation 1."""
        return (y.astype(np.float64) - self.mean) / self.deviation

    def restore(self, z: Matrix) -> FloatArray:
        """``[q]`` values on the target's own scale."""
        return np.asarray(z * self.deviation + self.mean, dtype=np.float32)
