"""Problems as learners take them, put together again from the stored tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.tasks.types import Episode, Examples, MetaSplit, Problem, TargetType, Task

__all__ = ["load_problems"]


def load_problems(
    examples: Mapping[str, Examples],
    tasks: pd.DataFrame,
    pools: pd.DataFrame,
    episodes: pd.DataFrame,
    *,
    names: Collection[str] | None = None,
    folds: Collection[int] | None = None,
) -> list[Problem]:
    """One problem per name and fold, in the order of the task table.

    Args:
        examples: Tables by key; only those that tasks use need be there.
        tasks: Task table.
        pools: Pools table.
        episodes: Episodes table.
        names: Problems wanted; None for all.
        folds: Folds wanted; None for all.

    Raises:
        ConfigurationError: a problem is wanted that is not in the task table.
        DataError: tasks refer to examples that are not there.
    """
    unknown = set(names or ()) - set(tasks["problem"])
    if unknown:
        raise ConfigurationError(f"no such problem in the task table: {sorted(unknown)}")
    pools_of, episodes_of = _by_fold(pools), _by_fold(episodes)
    problems = []
    for key, table in _by_fold(tasks).items():
        name, fold = key
        if (names is None or name in names) and (folds is None or fold in folds):
            stored = episodes_of.get(key, episodes.iloc[:0])
            problems.append(_problem(name, fold, examples, table, pools_of[key], stored))
    return problems


def _by_fold(table: pd.DataFrame) -> dict[tuple[str, int], pd.DataFrame]:
    folds = zip(table["problem"], table["fold"], strict=True)
    keys = {(str(name), int(fold)): None for name, fold in folds}
    return {key: table[(table["problem"] == key[0]) & (table["fold"] == key[1])] for key in keys}


def _problem(
    name: str,
    fold: int,
    examples: Mapping[str, Examples],
    tasks: pd.DataFrame,
    pools: pd.DataFrame,
    episodes: pd.DataFrame,
) -> Problem:
    pool_of = {row["task_id"]: row for row in pools.to_dict("records")}
    members = []
    for row in tasks.to_dict("records"):
        table = _examples(examples, name, str(row["source"]), str(row["examples"]))
        pool = pool_of[row["task_id"]]
        rows = np.asarray(pool["rows"], dtype=np.int64)
        y = np.asarray(pool["y"], dtype=np.float32)
        target_type, n_classes = TargetType(row["target_type"]), int(row["n_classes"])
        members.append(
            Task(
                task_id=str(row["task_id"]),
                examples=str(row["examples"]),
                family=str(row["family"]),
                source=str(row["source"]),
                target_type=target_type,
                n_classes=n_classes,
                meta_split=MetaSplit(row["meta_split"]),
                rows=rows,
                y=y.reshape(-1, n_classes) if target_type is TargetType.MULTILABEL else y,
                groups=table.groups[rows],
                shared_meaning=bool(row["shared_meaning"]),
                ways=None if pd.isna(row["ways"]) else int(row["ways"]),
            )
        )
    return Problem(
        name=name,
        fold=fold,
        tables={task.examples: examples[task.examples].inputs for task in members},
        tasks=tuple(members),
        episodes=_episodes(episodes),
        shared_inputs=bool(tasks["shared_inputs"].iloc[0]),
        protocol=str(tasks["protocol"].iloc[0]),
    )


def _examples(examples: Mapping[str, Examples], problem: str, source: str, key: str) -> Examples:
    if key not in examples:
        raise DataError(
            f"problem '{problem}' has tasks over examples that are not there",
            source=source,
            where=f"table '{key.removeprefix(source + '/')}'",
            remedy="run ingestion and task construction for this source again",
        )
    return examples[key]


def _episodes(table: pd.DataFrame) -> tuple[Episode, ...]:
    return tuple(
        Episode(
            episode_id=str(row["episode_id"]),
            task_id=str(row["task_id"]),
            support=np.asarray(row["support"], dtype=np.int64),
            query=np.asarray(row["query"], dtype=np.int64),
            n_shot=None if pd.isna(row["n_shot"]) else int(row["n_shot"]),
            support_size=int(row["support_size"]),
            draw=int(row["draw"]),
        )
        for row in table.to_dict("records")
    )
