"""Sinusoids of Finn et al. (2017, section 5.1) as a meta-learning problem of ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from med_maml_pipeline.tasks.types import (
    Episode,
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    TargetType,
    Task,
)

__all__ = ["Family", "sinusoids"]

_TABLE = "sinusoids/main"


@dataclass(frozen=True)
class Family:
    """How many sinusoids there are.

    Attributes:
        train / validation / test: Tasks of each meta-split.
        rows: Points of a task's pool; those of an episode that are not in its support are its queries.
        shots: Support sizes of the stored episodes.
    """

    train: int = 500
    validation: int = 25
    test: int = 100
    rows: int = 60
    shots: tuple[int, ...] = (5, 10)


def sinusoids(family: Family) -> Problem:
    """Tasks ``y = a sin(x - p)`` with amplitude in [.1, 5], phase in [0, π] and x in [-5, 5], all uniform.

    Every sinusoid has points of its own. The stored supports of a task are nested, so that ten points are
    the five and five more; its last ``rows - max(shots)`` points are the queries of both.
    """
    rng = np.random.default_rng(17)
    splits = [
        *(MetaSplit.TRAIN,) * family.train,
        *(MetaSplit.VALIDATION,) * family.validation,
        *(MetaSplit.TEST,) * family.test,
    ]
    x = rng.uniform(-5, 5, size=(len(splits), family.rows))
    amplitude, phase = rng.uniform(0.1, 5, size=len(splits)), rng.uniform(0, np.pi, size=len(splits))
    y = (amplitude[:, None] * np.sin(x - phase[:, None])).astype(np.float32)
    tasks = tuple(_task(number, split, y[number]) for number, split in enumerate(splits))
    table = FeatureTable(x.reshape(-1, 1).astype(np.float32), ("x",), (FeatureKind.NUMERIC,))
    episodes = tuple(
        _episode(task, shots, family)
        for task in tasks
        if task.meta_split is not MetaSplit.TRAIN
        for shots in family.shots
    )
    return Problem("sinusoid", 0, {_TABLE: table}, tasks, episodes, shared_inputs=True)


def _task(number: int, split: MetaSplit, y: np.ndarray) -> Task:
    rows = np.arange(number * len(y), (number + 1) * len(y))
    name = f"{_TABLE}/sinusoid/{number}"
    return Task(
        name,
        _TABLE,
        "sinusoid",
        "sinusoids",
        TargetType.REGRESSION,
        0,
        split,
        rows,
        y,
        rows,
        shared_meaning=True,
    )


def _episode(task: Task, shots: int, family: Family) -> Episode:
    support, query = np.arange(shots), np.arange(max(family.shots), family.rows)
    return Episode(f"sinusoid/0/{task.task_id}/{shots}/0", task.task_id, support, query, None, shots, 0)
