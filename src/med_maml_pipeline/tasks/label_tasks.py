"""Multilabel tasks: which labels and support sizes a pool can serve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.feasibility import Shortfall, SupportPlan, groups_per_class
from med_maml_pipeline.tasks.index import group_codes, owners
from med_maml_pipeline.tasks.label_families import spelled_out
from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["class_groups", "plan_labels"]


def class_groups(y: FloatArray, groups: IntArray) -> IntArray:
    """Groups ``[L, 2]`` that count for the negatives and the positives of each label.

    Args:
        y: ``[n, L]`` with 0, 1 or NaN where unobserved.
        groups: ``[n]``.
    """
    counts = np.zeros((y.shape[1], 2), dtype=np.int64)
    for label, column in enumerate(y.T):
        seen = ~np.isnan(column)
        codes, n_groups = group_codes(groups[seen])
        counts[label] = np.bincount(owners(codes, n_groups, column[seen].astype(np.int64), 2), minlength=2)
    return counts


def plan_labels(candidate: Candidate, rows: IntArray) -> SupportPlan | Shortfall:
    """Chooses the labels of a task (as ``classes`` of the plan: target columns) and the support sizes.

    The largest size that two labels, and every label that the configuration spells out, can serve with both
    classes decides which labels stay, so that one task has the same labels at every size.

    Args:
        candidate: The multilabel task asked for.
        rows: ``[n]`` rows of its table with a label observed.
    """
    rule = candidate.spec.support
    y, groups = candidate.y(rows), candidate.examples.groups[rows]
    rarer = class_groups(y, groups).min(axis=1)
    named = np.isin(candidate.labels, sorted(spelled_out(candidate)))
    sizes = sorted(set(rule.sizes))
    for size in reversed(sizes):
        enough = rarer >= _needed(rule, size)
        kept = np.flatnonzero(enough)
        if len(kept) >= 2 and enough[named].all() and not _natural_shortfall(y[:, kept], groups, size, rule):
            smallest = 2 if rule.rule == "natural" else 1
            columns = tuple(candidate.labels[label] for label in kept)
            return SupportPlan(columns, tuple(s for s in sizes if smallest <= s <= size))
    return _shortfall(candidate, y, groups, rarer, named)


def _shortfall(
    candidate: Candidate, y: FloatArray, groups: IntArray, rarer: IntArray, named: NDArray[np.bool_]
) -> Shortfall:
    """What the smallest support misses, and whether a label misses it that the configuration spells out."""
    rule = candidate.spec.support
    size = min(rule.sizes)
    needed = _needed(rule, size)
    for name, found in zip(np.array(candidate.label_names)[named], rarer[named].tolist(), strict=True):
        if found < needed:
            return Shortfall(needed, found, f"groups of the rarer class of its label '{name}'", named=True)
    second = int(np.sort(rarer)[-2])  # two labels make a task
    if second < needed:
        return Shortfall(needed, second, "groups of the rarer class of a second label")
    natural = _natural_shortfall(y[:, rarer >= needed], groups, size, rule)
    assert natural is not None, "the smallest size would have been chosen"
    return natural


def _needed(rule: SupportRule, size: int) -> int:
    return int(groups_per_class(rule, size, 2).max())


def _natural_shortfall(y: FloatArray, groups: IntArray, size: int, rule: SupportRule) -> Shortfall | None:
    """A natural support has room for both classes and leaves enough groups."""
    if rule.rule != "natural":
        return None
    if size < 2:
        return Shortfall(2, size, "examples in a natural support, one per class")
    needed = size + 2 * rule.min_per_class
    found = len(np.unique(groups[~np.isnan(y).all(axis=1)]))
    return Shortfall(needed, found, "labelled groups") if found < needed else None
