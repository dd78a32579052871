"""Meta-training rows with the labels of all tasks side by side, for learners that pool the tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import FloatArray, IntArray, MetaSplit, Problem, TargetType, Task

__all__ = ["PooledRows"]

_EPISODE_TASKS = 8  # episodes per batch where inputs depend on a support set
_EPISODE_SHOTS = 10

Batch = tuple[FloatArray, FloatArray]
"""Inputs ``[b, width]`` and labels ``[b, n_tasks]``, NaN where a task has no label for the row."""


@dataclass(frozen=True)
class PooledRows:
    """Draws batches of labelled rows, every task and every class of it with the same chance.

    Where inputs are shared, a row comes with its labels in all tasks over the same table (assays over the
    same molecules). Elsewhere rows are queries of training episodes, encoded by their support.

    Attributes:
        problem: The problem.
        inputs: Its encoded rows.
        tasks: The meta-training tasks, one label column each.
        scales: Per task, mean and standard deviation of a numeric target over its pool; 0 and 1 for classes.
        labels: Per table, ``[m, n]`` labels of its encoded rows in the tasks ``columns[table]``.
        columns: Per table, the positions of its tasks.
        strata: Per task, the positions of each class (one set for a numeric target).
    """

    problem: Problem
    inputs: NetworkInputs
    tasks: tuple[Task, ...]
    scales: FloatArray
    labels: dict[str, FloatArray]
    columns: dict[str, IntArray]
    strata: tuple[tuple[IntArray, ...], ...]

    @classmethod
    def of(cls, problem: Problem, inputs: NetworkInputs) -> PooledRows:
        """Gathers the labels of the meta-training tasks."""
        tasks = problem.split(MetaSplit.TRAIN)
        scales = np.array([_scale(task) for task in tasks], dtype=np.float32)
        labels: dict[str, FloatArray] = {}
        columns: dict[str, IntArray] = {}
        for key, matrix in inputs.matrices.items():
            members = np.array([i for i, task in enumerate(tasks) if task.examples == key])
            block = np.full((len(matrix), len(members)), np.nan, dtype=np.float32)
            for column, i in enumerate(members):
                place = inputs.places[key][tasks[i].rows]
                block[place, column] = (tasks[i].y - scales[i, 0]) / scales[i, 1]
            labels[key], columns[key] = block, members
        return cls(problem, inputs, tasks, scales, labels, columns, tuple(map(_strata, tasks)))

    def batch(self, seed: int, step: int, size: int) -> Batch:
        """Draws about ``size`` rows, a pure function of seed and step."""
        if not self.inputs.shared:
            return self._episode_batch(seed, step, size)
        rng = np.random.default_rng((seed, step))
        drawn = rng.integers(0, len(self.tasks), size)
        points = rng.random((size, 2))
        rows: dict[str, list[int]] = {}
        for task, (which, where) in zip(drawn, points, strict=True):
            strata = self.strata[task]
            stratum = strata[int(which * len(strata))]
            row = self.tasks[task].rows[stratum[int(where * len(stratum))]]
            rows.setdefault(self.tasks[task].examples, []).append(row)
        parts = []
        for key, numbers in rows.items():
            place = self.inputs.places[key][numbers]
            labels = np.full((len(place), len(self.tasks)), np.nan, dtype=np.float32)
            labels[:, self.columns[key]] = self.labels[key][place]
            parts.append((self.inputs.at(key, place), labels))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    def _episode_batch(self, seed: int, step: int, size: int) -> Batch:
        positions = {task.task_id: i for i, task in enumerate(self.tasks)}
        query = max(size // _EPISODE_TASKS, 1)
        parts = []
        for task, support_at, query_at in training_batch(
            self.problem, seed, step, _EPISODE_TASKS, _EPISODE_SHOTS, query
        ):
            i = positions[task.task_id]
            labels = np.full((len(query_at), len(self.tasks)), np.nan, dtype=np.float32)
            labels[:, i] = (task.y[query_at] - self.scales[i, 0]) / self.scales[i, 1]
            parts.append((self.inputs.episode(task, support_at, query_at)[1], labels))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _scale(task: Task) -> tuple[float, float]:
    if task.target_type != TargetType.REGRESSION:
        return 0.0, 1.0
    deviation = float(task.y.std())
    return float(task.y.mean()), deviation if deviation > 0 else 1.0


def _strata(task: Task) -> tuple[IntArray, ...]:
    if task.target_type == TargetType.REGRESSION:
        return (np.arange(len(task)),)
    classes = (np.flatnonzero(task.y == label) for label in range(task.n_classes))
    return tuple(positions for positions in classes if len(positions))
