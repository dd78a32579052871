"""The metric that a verdict is spoken on, and what blind guessing reaches on it: decided here, for all."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from med_maml_pipeline.metrics.scores import REGRESSION_METRICS

__all__ = ["PRIMARY_METRICS", "chance_level", "is_primary", "primary_metric"]

PRIMARY_METRICS = ("auroc", "accuracy", "balanced_accuracy", "spearman")
"""Every metric that can be primary, in reading order. Higher is better for each."""

_FAMILY = ["modality", "source", "task_family", "protocol"]


def primary_metric(*, regression: bool, ways: Collection[int | None], balanced: bool) -> str:
    """The primary metric of one task family.

    - Numbers: Spearman correlation.
    - Every episode has the same number of classes, more than two: accuracy, as N-way K-shot studies report
      it (Vinyals et al. 2016). A balanced support says nothing about how common the classes are, so guessing
      from it reaches 1 / N on average, however unequal the query is. Where supports follow the prevalence,
      always naming the commonest class would beat 1 / N: then balanced accuracy.
    - Two classes, several labels, or numbers of classes that differ: AUROC, whose chance is .5 for any number
      of classes, so that a mean over unlike tasks has a meaning.

    Args:
        regression: Numeric targets, else classes.
        ways: Numbers of classes in the family's episodes; None where they differ.
        balanced: Whether supports hold equally many of each class.
    """
    if regression:
        return "spearman"
    found = set(ways)
    if len(found) != 1 or None in found or found <= {1, 2}:
        return "auroc"
    return "accuracy" if balanced else "balanced_accuracy"


def is_primary(rows: pd.DataFrame) -> pd.Series:
    """Which rows of a scoreboard are of the primary metric of their family: ``[n]`` bool, on their index.

    A family's metric is the same in all its folds and support sizes, so give all of them.
    """
    numeric = rows["metric"].isin(REGRESSION_METRICS)
    chosen: dict[object, str] = {}
    for key, part in rows[~numeric].groupby(_FAMILY, sort=False):
        ways = [None if pd.isna(way) else int(way) for way in part["n_way"].unique()]
        chosen[key] = primary_metric(regression=False, ways=ways, balanced=bool(part["n_shot"].notna().all()))
    numbers = primary_metric(regression=True, ways=(), balanced=False)
    families = zip(*(rows[name] for name in _FAMILY), strict=True)
    names = [
        numbers if is_numeric else chosen[key] for key, is_numeric in zip(families, numeric, strict=True)
    ]
    return rows["metric"] == pd.Series(names, index=rows.index, dtype=object)


def chance_level(metric: str, n_way: int | None) -> float | None:
    """What blind guessing reaches: .5 for AUROC, 1 / ``n_way`` for accuracies; None where unknown."""
    if metric == "auroc":
        return 0.5
    if metric in {"accuracy", "balanced_accuracy"} and n_way:
        return 1 / n_way
    return None
