"""The leakage audit: counts what meta-splits, and support and query, share; stops a run that leaks."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import NamedTuple

import numpy as np

from med_maml_pipeline.errors import LeakageError
from med_maml_pipeline.tasks.types import Episode, IntArray, MetaSplit, Problem

__all__ = ["DISJOINT", "AuditRow", "audit_problem"]

DISJOINT = "disjoint"


class AuditRow(NamedTuple):
    """One check of one problem and fold: how many overlaps, and ``pass`` or ``waived``."""

    problem: str
    fold: int
    protocol: str
    check: str
    overlaps: int
    verdict: str


_REMEDIES = {
    "tasks": "each task belongs to one meta-split; report this as a defect",
    "classes": "each class belongs to one meta-split; split a target by one family of a problem only",
    "labels": "each label belongs to one meta-split; name it in one family of a problem only",
    "clusters": "put near-copies into one meta-split, or correct 'cluster_pattern' and 'clusters'",
    "groups": "set 'group_split' for the families of this problem, or declare a waiver with 'protocol'",
    "groups within episodes": "episodes are drawn by group; report this as a defect",
}


def audit_problem(
    problem: Problem,
    clusters: Mapping[str, AbstractSet[str]],
    classes: Mapping[str, AbstractSet[object]] | None = None,
    labels: Mapping[str, AbstractSet[object]] | None = None,
) -> list[AuditRow]:
    """Checks one problem and fold from its tables, not from how they were made.

    Meta-splits are compared in tasks, clusters and groups, pair by pair, in classes where a family splits the
    classes of a target, and in labels where a family joins labels to multilabel tasks; support and query of
    each episode in groups. A declared waiver admits shared clusters and groups between meta-splits, and
    nothing else.

    Args:
        problem: Tasks and episodes of one fold.
        clusters: Clusters by task id.
        classes: Classes that a task's rows show, by task id, where a family splits their target.
        labels: Labels that a task holds, by task id, where a multilabel task holds them.

    Returns:
        One row per check.

    Raises:
        LeakageError: an overlap that no waiver admits, with the count and the remedy.
    """
    waived = problem.protocol != DISJOINT
    groups = {split: _groups(problem, split) for split in MetaSplit}
    tasks = {split: {task.task_id for task in problem.split(split)} for split in MetaSplit}
    rows = []
    for first, second in combinations(MetaSplit, 2):
        pair = f"{first} and {second} tasks"
        names = [_union(clusters, tasks[split]) for split in (first, second)]
        shared_groups = np.intersect1d(groups[first], groups[second], assume_unique=True)
        rows += [
            _row(problem, "tasks", pair, len(tasks[first] & tasks[second]), waived=False),
            _row(problem, "clusters", pair, len(names[0] & names[1]), waived=waived),
            _row(problem, "groups", pair, len(shared_groups), waived=waived),
        ]
        for what, members in (("classes", classes), ("labels", labels)):
            if members:
                shown = [_union(members, tasks[split] & members.keys()) for split in (first, second)]
                rows.append(_row(problem, what, pair, len(shown[0] & shown[1]), waived=False))
    leaking = sum(_leaks(problem, episode) for episode in problem.episodes)
    rows.append(_row(problem, "groups within episodes", "support and query sets", leaking, waived=False))
    return rows


def _union(members: Mapping[str, AbstractSet[object]], task_ids: AbstractSet[str]) -> set[object]:
    return {member for task_id in task_ids for member in members[task_id]}


def _groups(problem: Problem, split: MetaSplit) -> IntArray:
    used = [np.unique(task.groups) for task in problem.split(split)]
    return np.unique(np.concatenate(used)) if used else np.zeros(0, dtype=np.int64)


def _leaks(problem: Problem, episode: Episode) -> int:
    groups = problem.task(episode.task_id).groups
    return len(np.intersect1d(groups[episode.support], groups[episode.query]))


def _row(problem: Problem, what: str, pair: str, overlaps: int, *, waived: bool) -> AuditRow:
    if overlaps and not waived:
        raise LeakageError(
            f"problem '{problem.name}', fold {problem.fold}: {pair} share {overlaps} {what}; "
            f"{_REMEDIES[what]}"
        )
    verdict = "waived" if overlaps else "pass"
    return AuditRow(problem.name, problem.fold, problem.protocol, f"{pair}: {what}", overlaps, verdict)
