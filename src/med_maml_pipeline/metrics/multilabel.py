"""Metrics of one episode with several binary labels: each label by itself, then the mean over labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from med_maml_pipeline.metrics.averages import mean_of_defined
from med_maml_pipeline.metrics.classification import classification_scores
from med_maml_pipeline.metrics.probabilities import Floats
from med_maml_pipeline.metrics.ranking import binary_auroc

__all__ = ["by_label", "macro_label_auroc", "multilabel_scores"]


def multilabel_scores(y: Floats, odds: Floats) -> dict[str, float]:
    """All classification metrics of a multilabel episode, averaged over the labels that define them.

    Each label counts the queries where it is observed and is scored as a binary target (Tsoumakas and Katakis
    2007: macro-averaging). ``macro_f1`` is the mean over labels of the F1 of the positive class, as the
    classes of a multilabel target are its labels.

    Args:
        y: ``[q, L]`` with 0, 1 or NaN where unobserved.
        odds: ``[q, L]`` log-odds.

    Returns:
        NaN where no label defines a metric.

    Raises:
        ValueError: no label is observed, or one is neither 0, 1 nor NaN.
    """
    if np.isnan(y).all():
        raise ValueError("no label observed in any query")
    found = [_label_scores(truth, own) for truth, own in _label_rows(y, odds)]
    return {name: mean_of_defined([scores[name] for scores in found]) for name in found[0]}


def macro_label_auroc(y: Floats, odds: Floats) -> float:
    """AUROC of ``[q, L]`` log-odds, averaged over the labels with both classes among the queries ``y``."""
    return mean_of_defined([binary_auroc(truth == 1, own) for truth, own in _label_rows(y, odds)])


def by_label(predictions: pd.DataFrame, n_labels: Sequence[int]) -> pd.DataFrame:
    """Predictions with those of multilabel targets taken apart: a row per label, as of a binary target.

    Args:
        predictions: Rows with ``y`` and ``scores``, flat.
        n_labels: Labels of each row's target, 0 where it is not multilabel.

    Returns:
        ``y`` ``[m]`` of the queries where the label is observed, ``scores`` ``[m * 2]`` logits; all other
        columns repeated.
    """
    places, truths, scores = [], [], []
    for place, (y, own, width) in enumerate(
        zip(predictions["y"], predictions["scores"], n_labels, strict=True)
    ):
        pairs = [(y, own)]
        if width:
            labels = _label_rows(np.reshape(y, (-1, width)), np.reshape(own, (-1, width)))
            pairs = [(truth, _logits(odds).reshape(-1)) for truth, odds in labels]
        places += [place] * len(pairs)
        truths += [truth for truth, _ in pairs]
        scores += [logits for _, logits in pairs]
    columns = {"y": pd.Series(truths, dtype=object), "scores": pd.Series(scores, dtype=object)}
    return predictions.iloc[places].reset_index(drop=True).assign(**columns)


def _label_rows(y: Floats, odds: Floats) -> list[tuple[Floats, Floats]]:
    """Truth and log-odds ``[m]`` of the queries where a label is observed, for each label that any has."""
    seen = ~np.isnan(y)
    return [(y[own, label], odds[own, label]) for label, own in enumerate(seen.T) if own.any()]


def _logits(odds: Floats) -> Floats:
    """Logits ``[m, 2]`` of a label with these log-odds ``[m]``."""
    return np.stack([np.zeros_like(odds), odds], axis=1)


def _label_scores(truth: Floats, odds: Floats) -> dict[str, float]:
    scores = classification_scores(truth, _logits(odds))
    guess = odds > 0
    hits = (guess & (truth == 1)).sum()
    defined = 0 < truth.sum() < len(truth)
    f1 = float(2 * hits / (guess.sum() + truth.sum())) if defined else float("nan")
    return {**scores, "macro_f1": f1}
