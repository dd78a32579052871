"""Metrics per episode: one table for all lanes, undefined where undefined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.metrics.classification import classification_scores, macro_auroc
from med_maml_pipeline.metrics.multilabel import macro_label_auroc, multilabel_scores
from med_maml_pipeline.metrics.probabilities import as_matrix, has_numbers
from med_maml_pipeline.metrics.regression import r_squared, regression_scores
from med_maml_pipeline.tasks.types import TargetType

__all__ = [
    "CLASSIFICATION_METRICS",
    "LOWER_IS_BETTER",
    "METRICS",
    "REGRESSION_METRICS",
    "score_episode",
    "score_predictions",
    "selection_score",
]

CLASSIFICATION_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "auprc",
    "delta_auprc",
    "brier",
    "ece",
)
REGRESSION_METRICS = ("r2", "spearman", "mae")
METRICS = CLASSIFICATION_METRICS + REGRESSION_METRICS

LOWER_IS_BETTER = frozenset({"brier", "ece", "mae"})
"""Metrics of error. Differences stay value minus reference, so for these a negative difference is a gain."""

_KEYS = ["episode_id", "problem", "fold", "task_id", "learner", "lane", "seed"]


def score_episode(y: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Metrics of one episode by name; one score per query means a numeric target, more mean logits.

    Args:
        y: ``[q]`` class indices or values; ``[q, L]`` for a multilabel target, NaN where unobserved.
        scores: ``[q, n_classes]`` logits, or ``[q]`` values; ``[q, L]`` log-odds for a multilabel target; all
            may be row-major and flat.

    Raises:
        ValueError: lengths do not fit, a label is no class index, or a score is not a number.
    """
    truth = np.asarray(y, dtype=np.float64)
    matrix = as_matrix(scores, len(truth))
    if truth.ndim == 2:
        if matrix.shape != truth.shape:
            raise ValueError(f"{matrix.shape[1]} scores per query for {truth.shape[1]} labels")
        if not np.isfinite(matrix).all():
            raise ValueError("scores that are not numbers")
        return multilabel_scores(truth, matrix)
    if not has_numbers(matrix):
        raise ValueError("scores that are not numbers")
    return (
        regression_scores(truth, matrix[:, 0])
        if matrix.shape[1] == 1
        else classification_scores(truth, matrix)
    )


def selection_score(target_type: TargetType, y: ArrayLike, scores: ArrayLike) -> tuple[str, float]:
    """The metric that settings are chosen by on validation episodes, and its value: AUROC, or R² for numbers.

    Args:
        target_type: Type of the target.
        y / scores: As for `score_episode`.

    Returns:
        NaN for an undefined value; −inf for scores that are not numbers, so that settings which diverge on
        any episode are never chosen.
    """
    truth = np.asarray(y, dtype=np.float64)
    matrix = as_matrix(scores, len(truth))
    name = "r2" if target_type == TargetType.REGRESSION else "auroc"
    if not has_numbers(matrix):
        return name, float("-inf")
    if target_type == TargetType.MULTILABEL:
        return name, macro_label_auroc(truth, matrix)
    return name, r_squared(truth, matrix[:, 0]) if name == "r2" else macro_auroc(truth, matrix)


def score_predictions(predictions: pd.DataFrame, n_labels: Sequence[int] | None = None) -> pd.DataFrame:
    """Metrics of every stored prediction in long form.

    Args:
        predictions: One row per episode, learner and seed: ``episode_id, problem, fold, task_id, learner,
            lane, seed``, ``scores`` and ``y`` (lists).
        n_labels: Labels of each row's target, 0 where it is not multilabel; None where none is.

    Returns:
        ``episode_id, problem, fold, task_id, learner, lane, seed, metric, value``; NaN where undefined.

    Raises:
        MedMamlError: a row's scores do not fit its labels or are not numbers. A failed prediction is no
            undefined metric: leaving it out would flatter the learner.
    """
    widths = [0] * len(predictions) if n_labels is None else n_labels
    records = [
        _scored(row, width) for row, width in zip(predictions.itertuples(index=False), widths, strict=True)
    ]
    lengths = [len(record) for record in records]
    long = predictions[_KEYS].iloc[np.repeat(np.arange(len(records)), lengths)].reset_index(drop=True)
    long["metric"] = [name for record in records for name in record]
    long["value"] = [value for record in records for value in record.values()]
    return long


def _scored(row: Any, n_labels: int) -> dict[str, float]:
    try:
        return score_episode(np.reshape(row.y, (-1, n_labels)) if n_labels else row.y, row.scores)
    except ValueError as error:
        raise MedMamlError(
            f"problem '{row.problem}', learner '{row.learner}': a prediction has {error}; expected a finite "
            f"score per query and class; run adaptation again with other settings or leave the learner out."
        ) from error
