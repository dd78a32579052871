"""ROC curves averaged over classes, draws and tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.metrics.classification import judged_classes
from med_maml_pipeline.metrics.probabilities import Floats, as_matrix, log_odds

__all__ = ["ROC_GRID", "roc_curve_on_grid", "roc_points"]

ROC_GRID: Floats = np.linspace(0.0, 1.0, 101)
"""False-positive rates at which curves are averaged."""


def roc_points(predictions: pd.DataFrame, by: Sequence[str] = ("lane", "learner")) -> pd.DataFrame:
    """Macro-average ROC curve per group of classification predictions.

    True-positive rates are averaged at fixed false-positive rates (vertical averaging, Fawcett 2006): over
    the classes of an episode (one-vs-rest), the draws of a task, then the tasks, as the scoreboard's AUROC.
    Episodes of one class and numeric targets have no curve and are left out.

    Args:
        predictions: Rows with ``task_id``, ``y`` ``[q]`` and ``scores`` ``[q * c]``.
        by: Columns that name a curve.

    Returns:
        Columns ``by``, ``fpr``, ``tpr``, ``n_tasks``, ``n_episodes``, each curve from (0, 0) to (1, 1).
    """
    tables = []
    for key, rows in predictions.groupby(list(by), sort=False):
        found = [
            (task_id, curve)
            for task_id, y, scores in zip(rows["task_id"], rows["y"], rows["scores"], strict=True)
            if (curve := _episode_curve(y, scores)) is not None
        ]
        if found:
            draws = pd.DataFrame([curve for _, curve in found], index=[task_id for task_id, _ in found])
            tasks = draws.groupby(level=0).mean()
            figures = {"fpr": np.append(0.0, ROC_GRID), "tpr": np.append(0.0, tasks.mean().to_numpy())}
            counts = {"n_tasks": len(tasks), "n_episodes": len(draws)}
            tables.append(pd.DataFrame({**dict(zip(by, key, strict=True)), **figures, **counts}))
    columns = [*by, "fpr", "tpr", "n_tasks", "n_episodes"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def roc_curve_on_grid(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """True-positive rate ``[101]`` at `ROC_GRID` of scores ``[q]``; ties make a straight line."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    last_of_tie = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    tpr = np.append(0, np.cumsum(hits)[last_of_tie]) / hits.sum()
    fpr = np.append(0, np.cumsum(~hits)[last_of_tie]) / (~hits).sum()
    return np.asarray(np.interp(ROC_GRID, fpr, tpr))


def _episode_curve(y: Sequence[float], scores: Sequence[float]) -> Floats | None:
    truth = np.asarray(y, dtype=np.float64)
    logits = as_matrix(scores, len(truth))
    if logits.shape[1] == 1 or len(np.unique(truth)) < 2:
        return None
    odds = log_odds(logits)
    curves = [roc_curve_on_grid(truth == label, odds[:, label]) for label in judged_classes(truth, logits)]
    return np.asarray(np.mean(curves, axis=0))
