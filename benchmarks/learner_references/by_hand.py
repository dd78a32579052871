"""Inputs and networks in plain NumPy, from the numbers of a checkpoint: shared by the references."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.tasks.types import (
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    Query,
    Support,
    TargetType,
    Task,
)

__all__ = ["Case", "case", "encoded", "features", "network", "standardised"]

Matrix = NDArray[np.float64]
N_COUNTS, N_NUMBERS, ROWS, N_SUPPORT = 12, 6, 40, 14
N_CLASSES = {TargetType.BINARY: 2, TargetType.MULTICLASS: 3, TargetType.REGRESSION: 0}


@dataclass(frozen=True)
class Case:
    """A barely trained checkpoint with one support and its queries."""

    checkpoint: Checkpoint
    support: Support
    query: Query

    def scores(self, learner: str, settings: dict[str, object], seed: int = 0) -> NDArray[np.float32]:
        """What the learner predicts for the queries."""
        return get_learner(learner).adapt(self.checkpoint, self.support, settings, seed)(self.query.x)


@cache
def problem(target_type: TargetType) -> Problem:
    """Three tasks to train and one to judge, over counts and numbers with gaps."""
    rng = np.random.default_rng(0)
    n = 4 * ROWS
    numbers = rng.normal(50, 10, size=(n, N_NUMBERS))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    x = np.hstack([rng.poisson(0.7, size=(n, N_COUNTS)), numbers]).astype(np.float32)
    signal = x[:, :4].sum(axis=1) - x[:, 4:8].sum(axis=1) + rng.normal(size=n)
    tasks = []
    for number, split in enumerate(("train", "train", "train", "test")):
        rows = np.arange(number * ROWS, (number + 1) * ROWS)
        y = signal[rows] * 3 + 100
        if n_classes := N_CLASSES[target_type]:
            y = np.argsort(np.argsort(y)) * n_classes // ROWS
        name = f"s/main/f/{number}"
        tasks.append(
            Task(name, "s/main", "f", "s", target_type, n_classes, MetaSplit(split), rows,
                 y.astype(np.float32), rows, shared_meaning=True)
        )  # fmt: skip
    kinds = (FeatureKind.COUNT,) * N_COUNTS + (FeatureKind.NUMERIC,) * N_NUMBERS
    table = FeatureTable(x, tuple(f"f{i}" for i in range(len(kinds))), kinds)
    return Problem("p", 0, {"s/main": table}, tuple(tasks), (), shared_inputs=True)


@cache
def case(learner: str, target_type: TargetType) -> Case:
    """The learner meta-trained for a few updates, where it meta-trains at all."""
    made, teacher = problem(target_type), get_learner(learner)
    small = {} if teacher.lane == "classical" else {"steps": 5, "hidden": (8, 7)}
    checkpoint = teacher.meta_fit(made, small, 0, Monitor())
    task = made.split(MetaSplit.TEST)[0]
    order = np.random.default_rng(1).permutation(ROWS)
    return Case(checkpoint, made.support(task, order[:N_SUPPORT]), made.query(task, order[N_SUPPORT:]))


def encoded(checkpoint: Checkpoint, x: NDArray[np.float32]) -> Matrix:
    """Counts as ``log(1 + c)``, numbers in robust deviations within ±5, gaps as 0 with a flag.

    Rounded to single precision at the end, as the encoder gives them.
    """
    held = {name.removeprefix("encoder."): a for name, a in checkpoint.arrays.items() if "encoder." in name}
    columns = []
    for column in held["kept"]:
        values = x[:, column].astype(np.float64)
        if column >= N_COUNTS:
            scaled = np.clip((x[:, column] - held["centre"][column]) / held["scale"][column], -5, 5)
            values = np.where(np.isnan(values), 0.0, scaled)
        else:
            values = np.log1p(x[:, column])
        columns.append(values)
    columns.extend(np.isnan(x[:, column]).astype(np.float64) for column in held["flagged"])
    return np.column_stack(columns).astype(np.float32).astype(np.float64)


def network(checkpoint: Checkpoint, x: Matrix) -> Matrix:
    """A perceptron with SiLU units: the outputs ``[n, c]``, or the embedding where it stores no head."""
    held = {name.removeprefix("network."): a.astype(np.float64) for name, a in checkpoint.arrays.items()
            if name.startswith("network.")}  # fmt: skip
    z = x @ held["first.weight"].T + held["first.bias"]
    z = z / (1 + np.exp(-z))
    number = 1
    while f"tail.body.{number}.weight" in held:
        z = z @ held[f"tail.body.{number}.weight"].T + held[f"tail.body.{number}.bias"]
        z = z / (1 + np.exp(-z))
        number += 2
    if "tail.head.weight" in held:
        return z @ held["tail.head.weight"].T + held["tail.head.bias"]
    return z


def features(checkpoint: Checkpoint, x: NDArray[np.float32]) -> Matrix:
    """Embedding in deviations over the meta-training rows; single precision at the end."""
    mean, deviation = (checkpoint.arrays[f"features.{name}"].astype(float) for name in ("mean", "deviation"))
    scaled = (network(checkpoint, encoded(checkpoint, x)) - mean) / deviation
    return scaled.astype(np.float32).astype(np.float64)


def standardised(y: NDArray[np.float32]) -> tuple[Matrix, float, float]:
    """Targets with mean 0 and deviation 1, and what was taken out."""
    values = y.astype(np.float64)
    return (values - values.mean()) / values.std(), float(values.mean()), float(values.std())
