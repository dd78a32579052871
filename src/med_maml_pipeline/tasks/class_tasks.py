"""Classes as tasks: all classes of one table in one meta-split make one task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.feasibility import Shortfall, groups_per_class
from med_maml_pipeline.tasks.index import group_codes, owners
from med_maml_pipeline.tasks.pools import Pool
from med_maml_pipeline.tasks.types import IntArray, MetaSplit

__all__ = ["ClassKey", "class_shortfall", "joined_tasks", "short_class", "shown_classes"]

ClassKey = tuple[str, str, int]
"""Table, target and index of a class in the source."""


def class_shortfall(candidate: Candidate, rows: IntArray) -> Shortfall | None:
    """What one class falls short of, taken alone; None where it can be part of a task.

    A class that the configuration names must serve the largest support, another one the smallest.

    Args:
        candidate: One class.
        rows: ``[n]`` rows of that class.
    """
    needed = _needed(candidate)
    found = len(np.unique(candidate.examples.groups[rows]))
    return Shortfall(needed, found, "groups") if found < needed else None


def joined_tasks(
    candidates: Sequence[Candidate], plan: Mapping[str, MetaSplit]
) -> list[tuple[Candidate, MetaSplit]]:
    """Tasks of one fold with their meta-splits, sorted by id: classes joined, all others as they are.

    Args:
        candidates: Tasks and single classes of one problem.
        plan: Meta-split by task id.
    """
    tasks: list[tuple[Candidate, MetaSplit]] = []
    classes: dict[tuple[str, str, MetaSplit], list[Candidate]] = {}
    for candidate in candidates:
        split = plan[candidate.task_id]
        if candidate.classes:
            key = (candidate.examples.key, candidate.spec.family, split)
            classes.setdefault(key, []).append(candidate)
        else:
            tasks.append((candidate, split))
    for (_, _, split), members in classes.items():
        joined = sorted(label for member in members for label in member.classes)
        tasks.append((members[0].of_classes(joined), split))
    return sorted(tasks, key=lambda task: task[0].task_id)


def short_class(
    candidate: Candidate, rows: IntArray, kept: Iterable[int]
) -> tuple[Candidate, Shortfall] | None:
    """The first class that the configuration names and these rows cannot serve; None where there is none.

    Args:
        candidate: Classes joined to a task.
        rows: ``[n]`` labelled rows that its meta-split may use.
        kept: Classes of the task that can be made.
    """
    single = [candidate.of_classes([label]) for label in candidate.classes]
    named = [one for one in single if one.configured]
    if not named:
        return None
    wanted = sorted({*kept, *(one.classes[0] for one in named)})
    y = candidate.y(rows)
    known = np.isin(y, wanted)
    codes, n_groups = group_codes(candidate.examples.groups[rows[known]])
    n_classes = candidate.target.n_classes
    owner = owners(codes, n_groups, y[known].astype(np.int64), n_classes)
    counts = np.bincount(owner, minlength=n_classes)
    for one in named:
        found, needed = int(counts[one.classes[0]]), _needed(one)
        if found < needed:
            return one, Shortfall(needed, found, "groups in its meta-split")
    return None


def shown_classes(pools: Sequence[Pool]) -> dict[str, frozenset[ClassKey]]:
    """By task id, the classes that a task's rows show in the source, where a family splits their target.

    Args:
        pools: Tasks of one problem and fold.
    """
    split = {(p.candidate.examples.key, p.candidate.column) for p in pools if p.candidate.classes}
    return {
        pool.task.task_id: frozenset(_keys(pool))
        for pool in pools
        if (pool.candidate.examples.key, pool.candidate.column) in split
    }


def _keys(pool: Pool) -> Iterator[ClassKey]:
    examples, column = pool.candidate.examples, pool.candidate.column
    for label in np.unique(examples.y[pool.task.rows, column]):
        yield examples.key, examples.targets[column].name, int(label)


def _needed(candidate: Candidate) -> int:
    rule = candidate.spec.support
    size = max(rule.sizes) if candidate.configured else min(rule.sizes)
    return int(groups_per_class(rule, size, 1)[0])
