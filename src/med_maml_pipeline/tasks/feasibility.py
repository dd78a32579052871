"""What a support rule asks of a pool, and which classes and sizes a pool can serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.types import IntArray

__all__ = ["OF_EACH_CLASS", "Shortfall", "SupportPlan", "groups_per_class", "plan_support"]

OF_EACH_CLASS = "groups of each class"


@dataclass(frozen=True)
class Shortfall:
    """Why a task cannot be made: ``needed`` and ``found`` numbers of ``what``.

    ``named``: the configuration spells out what falls short, beyond the task itself, so that it cannot go.
    """

    needed: int
    found: int
    what: str
    named: bool = False


@dataclass(frozen=True)
class SupportPlan:
    """Classes that stay in a task (none for a numeric target) and support sizes it can serve.

    In a multilabel task the target columns of the labels that stay stand in place of classes.
    """

    classes: tuple[int, ...]
    sizes: tuple[int, ...]


def plan_support(counts: IntArray, n_groups: int, rule: SupportRule) -> SupportPlan | Shortfall:
    """Chooses the classes of a task and the support sizes.

    The largest size that two classes can serve, up to ``classes_at``, decides which classes stay, so that one
    task has the same classes at every size.

    Args:
        counts: ``[c]`` groups that count for each class; empty for a numeric target.
        n_groups: Groups in all.
        rule: Support rule.
    """
    sizes = tuple(sorted(set(rule.sizes)))
    if not len(counts):
        feasible = tuple(size for size in sizes if n_groups >= size + rule.min_per_class)
        if not feasible:
            return Shortfall(sizes[0] + rule.min_per_class, n_groups, "labelled groups")
        return SupportPlan((), feasible)
    deciding = [size for size in sizes if rule.classes_at is None or size <= rule.classes_at]
    for size in reversed(deciding or sizes[:1]):
        kept = np.flatnonzero(counts >= groups_per_class(rule, size, len(counts)))
        if len(kept) >= 2 and _natural_shortfall(counts[kept], size, rule) is None:
            return SupportPlan(tuple(kept.tolist()), _served(counts, kept, sizes, rule))
    return _shortfall(counts, sizes[0], rule)


def _served(counts: IntArray, kept: IntArray, sizes: tuple[int, ...], rule: SupportRule) -> tuple[int, ...]:
    """Sizes that every class which stays can serve."""
    smallest = len(kept) if rule.rule == "natural" else 1
    return tuple(
        size
        for size in sizes
        if size >= smallest
        and (counts >= groups_per_class(rule, size, len(counts)))[kept].all()
        and _natural_shortfall(counts[kept], size, rule) is None
    )


def groups_per_class(rule: SupportRule, size: int, n_classes: int) -> IntArray:
    """Groups each class needs: its part of the support, and ``min_per_class`` beyond."""
    support = np.full(n_classes, 1 if rule.rule == "natural" else size, dtype=np.int64)
    if rule.rule == "enriched":
        support[0] *= rule.negatives_per_positive
    return support + rule.min_per_class


def _natural_shortfall(counts: IntArray, size: int, rule: SupportRule) -> Shortfall | None:
    """A natural support has room for every class and leaves enough groups in all."""
    if rule.rule != "natural":
        return None
    if size < len(counts):
        return Shortfall(len(counts), size, "examples in a natural support, one per class")
    needed = size + rule.min_per_class * len(counts)
    found = int(counts.sum())
    return Shortfall(needed, found, "labelled groups") if found < needed else None


def _shortfall(counts: IntArray, size: int, rule: SupportRule) -> Shortfall:
    needed = groups_per_class(rule, size, len(counts))
    kept = counts >= needed
    if kept.sum() >= 2:
        natural = _natural_shortfall(counts[kept], size, rule)
        if natural is not None:
            return natural
    second = np.argsort(counts - needed, kind="stable")[-2]  # two classes make a task
    return Shortfall(int(needed[second]), int(counts[second]), OF_EACH_CLASS)
