"""The tables of task construction and how problems are written into them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from med_maml_pipeline.tasks.account import AttritionRow
from med_maml_pipeline.tasks.audit import AuditRow
from med_maml_pipeline.tasks.checksums import task_checksum
from med_maml_pipeline.tasks.pools import Pool
from med_maml_pipeline.tasks.types import Problem, TargetType, Task

__all__ = ["BuiltFold", "TaskCatalog", "frames"]

TASK_COLUMNS = [
    "problem",
    "fold",
    "task_id",
    "source",
    "table",
    "family",
    "label",
    "target_type",
    "n_classes",
    "ways",
    "classes",
    "meta_split",
    "protocol",
    "shared_meaning",
    "shared_inputs",
    "examples",
    "n_examples",
    "n_groups",
    "class_counts",
    "lost_examples",
    "capped_examples",
    "checksum",
]
POOL_COLUMNS = ["problem", "fold", "task_id", "rows", "y"]
EPISODE_COLUMNS = [
    "episode_id",
    "problem",
    "fold",
    "task_id",
    "meta_split",
    "support_size",
    "n_shot",
    "draw",
    "support",
    "query",
]


@dataclass(frozen=True)
class TaskCatalog:
    """What task construction makes, as tables (columns: docs/tasks.md).

    Attributes:
        tasks: One row per problem, fold and task.
        pools: Rows and labels of every task.
        episodes: Stored episodes of validation and test tasks.
        audit: Leakage audit.
        attrition: What was left out, and why.
    """

    tasks: pd.DataFrame
    pools: pd.DataFrame
    episodes: pd.DataFrame
    audit: pd.DataFrame
    attrition: pd.DataFrame


@dataclass(frozen=True)
class BuiltFold:
    """One fold of one problem with all that the tables tell of it."""

    problem: Problem
    pools: Sequence[Pool]
    audit: Sequence[AuditRow]


def frames(folds: Sequence[BuiltFold], attrition: Iterable[AttritionRow]) -> TaskCatalog:
    """Writes folds, in order, into tables."""
    tasks = [row for fold in folds for row in _task_rows(fold)]
    pools = [row for fold in folds for row in _pool_rows(fold)]
    episodes = pd.DataFrame([row for fold in folds for row in _episode_rows(fold)], columns=EPISODE_COLUMNS)
    audit = [row for fold in folds for row in fold.audit]
    return TaskCatalog(
        tasks=pd.DataFrame(tasks, columns=TASK_COLUMNS).astype({"ways": "Int64"}),
        pools=pd.DataFrame(pools, columns=POOL_COLUMNS),
        episodes=episodes.astype({"n_shot": "Int64"}),
        audit=pd.DataFrame(audit, columns=list(AuditRow._fields)),
        attrition=pd.DataFrame(attrition, columns=list(AttritionRow._fields)),
    )


def _task_rows(fold: BuiltFold) -> Iterable[dict[str, object]]:
    for pool in fold.pools:
        task, candidate = pool.task, pool.candidate
        yield {
            "problem": fold.problem.name,
            "fold": fold.problem.fold,
            "task_id": task.task_id,
            "source": task.source,
            "table": candidate.examples.table,
            "family": task.family,
            "label": candidate.label,
            "target_type": str(task.target_type),
            "n_classes": task.n_classes,
            "ways": task.ways,
            "classes": json.dumps(candidate.class_names or candidate.label_names),
            "meta_split": str(task.meta_split),
            "protocol": fold.problem.protocol,
            "shared_meaning": task.shared_meaning,
            "shared_inputs": fold.problem.shared_inputs,
            "examples": task.examples,
            "n_examples": len(task),
            "n_groups": len(np.unique(task.groups)),
            "class_counts": json.dumps(_counts(task)),
            "lost_examples": pool.lost,
            "capped_examples": pool.capped,
            "checksum": task_checksum(task.task_id, task.rows, task.y),
        }


def _counts(task: Task) -> dict[str, int]:
    """Examples by class, positives by label of a multilabel task; empty for a numeric target."""
    if task.target_type is TargetType.MULTILABEL:
        counts = np.nansum(task.y, axis=0)
    else:
        counts = np.bincount(task.y.astype(np.int64), minlength=task.n_classes) if task.n_classes else []
    return {str(label): int(n) for label, n in enumerate(counts)}


def _pool_rows(fold: BuiltFold) -> Iterable[tuple[object, ...]]:
    for pool in fold.pools:
        task = pool.task
        yield fold.problem.name, fold.problem.fold, task.task_id, task.rows, task.y.reshape(-1)


def _episode_rows(fold: BuiltFold) -> Iterable[tuple[object, ...]]:
    problem = fold.problem
    for episode in problem.episodes:
        yield (
            episode.episode_id,
            problem.name,
            problem.fold,
            episode.task_id,
            str(problem.task(episode.task_id).meta_split),
            episode.support_size,
            episode.n_shot,
            episode.draw,
            episode.support,
            episode.query,
        )
