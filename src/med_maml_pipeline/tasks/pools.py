"""Pools: the examples that a task may use in its meta-split, with classes checked and numbered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.feasibility import OF_EACH_CLASS, Shortfall, SupportPlan, plan_support
from med_maml_pipeline.tasks.index import group_codes, owners
from med_maml_pipeline.tasks.label_tasks import plan_labels
from med_maml_pipeline.tasks.seeding import stable_rng
from med_maml_pipeline.tasks.types import FloatArray, IntArray, MetaSplit, Task

__all__ = ["Pool", "cap_rows", "check_pool", "make_pool"]


@dataclass(frozen=True)
class Pool:
    """A task that can be made, and the account of what it lost.

    Attributes:
        candidate: The task as asked for.
        task: The task over its pool.
        sizes: Support sizes it can serve.
        lost: Labelled examples outside the groups of its meta-split.
        capped: Examples left out by ``max_pool``.
        rare: Examples of classes left out, or without any of the labels that stay.
        classes: Classes that stay, by their numbers in the source; empty for a numeric target. In a
            multilabel task the target columns of the labels that stay.
    """

    candidate: Candidate
    task: Task
    sizes: tuple[int, ...]
    lost: int
    capped: int
    rare: int
    classes: tuple[int, ...]


def make_pool(
    candidate: Candidate, meta_split: MetaSplit, within: IntArray, *, fold: int, seed: int
) -> Pool | Shortfall:
    """Makes a task from the rows that its meta-split may use.

    Args:
        candidate: The task asked for.
        meta_split: Its meta-split in this fold.
        within: ``[n]`` ascending labelled rows that the meta-split may use.
        fold: Fold number.
        seed: Seed of the run.

    Returns:
        The pool, or what it falls short of.
    """
    rows = cap_rows(candidate, within, fold=fold, seed=seed)
    capped = len(within) - len(rows)
    plan = check_pool(candidate, rows)
    if isinstance(plan, Shortfall):
        return plan
    lost = len(candidate.rows()) - len(within)
    if candidate.classes:
        candidate = candidate.of_classes(plan.classes)
    if candidate.labels:
        candidate = candidate.of_labels(plan.classes)
    rows, y = _kept(candidate, rows, plan.classes)
    task = Task(
        task_id=candidate.task_id,
        examples=candidate.examples.key,
        family=candidate.spec.family,
        source=candidate.examples.source,
        target_type=candidate.target.target_type,
        n_classes=len(plan.classes),
        meta_split=meta_split,
        rows=rows,
        y=y,
        groups=candidate.examples.groups[rows],
        shared_meaning=candidate.spec.shared_meaning,
        ways=_ways(candidate, len(plan.classes)),
    )
    rare = len(within) - capped - len(rows)
    return Pool(candidate, task, plan.sizes, lost, capped, rare, plan.classes)


def _ways(candidate: Candidate, n_classes: int) -> int | None:
    """Classes to draw for each episode; None where it has them all."""
    ways = candidate.spec.support.ways
    return ways if ways is not None and ways < n_classes else None


def _kept(candidate: Candidate, rows: IntArray, classes: tuple[int, ...]) -> tuple[IntArray, FloatArray]:
    """Rows of the classes that stay, and their labels numbered anew; all rows of a numeric target.

    Of a multilabel task the rows with a label observed, and their labels.
    """
    y = candidate.y(rows)
    if candidate.labels:
        seen = ~np.isnan(y).all(axis=1)
        return rows[seen], y[seen]
    if not classes:
        return rows, y
    known = np.isin(y, classes)
    return rows[known], np.searchsorted(classes, y[known]).astype(np.float32)


def cap_rows(candidate: Candidate, rows: IntArray, *, fold: int, seed: int) -> IntArray:
    """Keeps whole groups, drawn by seed, while they fit under ``max_pool``: prevalence stays natural.

    Args:
        candidate: The task asked for.
        rows: ``[n]`` ascending rows that its meta-split may use.
        fold: Fold number.
        seed: Seed of the run.
    """
    limit = candidate.spec.max_pool
    if len(rows) <= limit:
        return rows
    codes, n_groups = group_codes(candidate.examples.groups[rows])
    rng = stable_rng(seed, "pool", candidate.problem, fold, candidate.task_id)
    order = rng.permutation(n_groups)
    fits = np.cumsum(np.bincount(codes, minlength=n_groups)[order]) <= limit
    chosen = np.zeros(n_groups, dtype=bool)
    chosen[order[fits]] = True
    return rows[chosen[codes]]


def check_pool(candidate: Candidate, rows: IntArray) -> SupportPlan | Shortfall:
    """Classes and support sizes that these rows can serve, or what they fall short of.

    Args:
        candidate: The task asked for.
        rows: ``[n]`` labelled rows of its table.
    """
    if len(candidate.classes) == 1:
        return Shortfall(2, 1, "classes in its meta-split")
    codes, n_groups = group_codes(candidate.examples.groups[rows])
    if n_groups < candidate.spec.min_examples:
        return Shortfall(candidate.spec.min_examples, n_groups, "labelled groups")
    if candidate.labels:
        return plan_labels(candidate, rows)
    y = candidate.y(rows)
    if not candidate.target.n_classes:
        if (y == y[0]).all():
            return Shortfall(2, 1, "different values of its numeric target")
        return plan_support(np.zeros(0, dtype=np.int64), n_groups, candidate.spec.support)
    return _plan_classes(candidate, y.astype(np.int64), codes)


def _plan_classes(candidate: Candidate, classes: IntArray, codes: IntArray) -> SupportPlan | Shortfall:
    """Plans again without the rare classes until none leaves: groups they shared then serve others."""
    n_classes = candidate.target.n_classes
    while True:
        present = np.unique(classes)
        codes, n_groups = group_codes(codes)
        counts = np.bincount(owners(codes, n_groups, classes, n_classes), minlength=n_classes)
        plan = plan_support(counts, n_groups, candidate.spec.support)
        if isinstance(plan, SupportPlan):
            if len(plan.classes) == len(present):
                return plan
            kept = np.isin(classes, plan.classes)
        elif plan.what == OF_EACH_CLASS and len(present) > 2:
            kept = classes != present[counts[present].argmin()]
        else:
            return plan
        classes, codes = classes[kept], codes[kept]
