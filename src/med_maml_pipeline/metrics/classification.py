"""Metrics of one episode with classes, from logits."""

from __future__ import annotations

import numpy as np

from med_maml_pipeline.metrics.calibration import expected_calibration_error
from med_maml_pipeline.metrics.probabilities import Floats, log_odds, softmax
from med_maml_pipeline.metrics.ranking import average_precision, binary_auroc

__all__ = ["brier", "classification_scores", "judged_classes", "macro_auroc", "recall_and_f1"]


def classification_scores(y: Floats, logits: Floats) -> dict[str, float]:
    """All metrics of a binary or multiclass episode by name.

    Macro averages run over the classes present in the query set, the same for every learner. A query set of
    one class leaves all metrics that contrast classes undefined (NaN).

    Args:
        y: ``[q]`` class indices.
        logits: ``[q, c]``.

    Raises:
        ValueError: a label is no class index.
    """
    labels = y.astype(np.int64)
    if ((labels != y) | (labels < 0) | (labels >= logits.shape[1])).any():
        raise ValueError(f"labels outside 0..{logits.shape[1] - 1}")
    probabilities = softmax(logits)
    guess = logits.argmax(axis=1)
    recall, f1 = recall_and_f1(y, guess, logits.shape[1])
    precision, gain = _macro_precision(y, logits)
    return {
        "accuracy": float((guess == labels).mean()),
        "balanced_accuracy": recall,
        "macro_f1": f1,
        "auroc": macro_auroc(y, logits),
        "auprc": precision,
        "delta_auprc": gain,
        "brier": brier(y, probabilities),
        "ece": expected_calibration_error(y, probabilities),
    }


def recall_and_f1(y: Floats, guess: np.ndarray, n_classes: int) -> tuple[float, float]:
    """Recall (balanced accuracy) and F1, each averaged over the classes present in ``y`` ``[q]``.

    Returns:
        The pair, or NaN twice where ``y`` has one class.
    """
    labels = y.astype(np.int64)
    actual = np.bincount(labels, minlength=n_classes)
    guessed = np.bincount(guess, minlength=n_classes)
    right = np.bincount(labels[guess == labels], minlength=n_classes)
    present = actual > 0
    if present.sum() < 2:
        return float("nan"), float("nan")
    recall = right[present] / actual[present]
    f1 = 2 * right[present] / (actual[present] + guessed[present])
    return float(recall.mean()), float(f1.mean())


def macro_auroc(y: Floats, logits: Floats) -> float:
    """AUROC; for more than two classes one-vs-rest, averaged over the classes present in ``y`` ``[q]``."""
    odds = log_odds(logits)
    return float(np.mean([binary_auroc(y == label, odds[:, label]) for label in judged_classes(y, logits)]))


def _macro_precision(y: Floats, logits: Floats) -> tuple[float, float]:
    """AUPRC and ΔAUPRC: average precision, and what it is above the share of the class in the query."""
    odds = log_odds(logits)
    judged = judged_classes(y, logits)
    precision = np.array([average_precision(y == label, odds[:, label]) for label in judged])
    share = np.array([(y == label).mean() for label in judged])
    return float(precision.mean()), float((precision - share).mean())


def judged_classes(y: Floats, logits: Floats) -> list[int]:
    """Classes to average over: the positive one, or all that are present."""
    return [1] if logits.shape[1] == 2 else [int(label) for label in np.unique(y)]


def brier(y: Floats, probabilities: Floats) -> float:
    """Brier score of probabilities ``[q, c]``.

    Binary: mean squared error of the positive probability (0 to 1). More classes: the sum of squares over
    classes (0 to 2), as Brier 1950 has it; the binary score is half of that sum.
    """
    if probabilities.shape[1] == 2:
        return float(((probabilities[:, 1] - y) ** 2).mean())
    truth = np.eye(probabilities.shape[1])[y.astype(np.int64)]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())
