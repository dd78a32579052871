"""Inputs of the networks during meta-training: encoded once where shared, per episode elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.inputs import encode_support, fit_inputs
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.tasks.types import FloatArray, IntArray, MetaSplit, Problem, Task

__all__ = ["RANKED_WIDTH", "NetworkInputs"]

RANKED_WIDTH = 32
"""Width of the inputs where tables differ: the columns best associated with the label on the support."""

_CHUNK = 4096  # rows encoded at a time, to bound the temporaries


@dataclass(frozen=True)
class NetworkInputs:
    """Encoded rows of the meta-training tasks of one problem.

    Attributes:
        problem: The problem.
        arrays: Encoder state for the checkpoint; empty where inputs are not shared.
        width: Number of inputs of the network.
        matrices: Per table, the encoded rows ``[m, width]``; empty where inputs are not shared.
        places: Per table, ``[n]`` row numbers of the table to rows of its matrix.
    """

    problem: Problem
    arrays: dict[str, NDArray[np.generic]]
    width: int
    matrices: dict[str, FloatArray]
    places: dict[str, IntArray]

    @classmethod
    def fit(cls, problem: Problem, seed: int) -> NetworkInputs:
        """Fits the encoder on meta-training rows and encodes them; nothing else of the problem is read."""
        arrays = fit_inputs(problem, seed=seed)
        if not arrays:
            return cls(problem, {}, RANKED_WIDTH, {}, {})
        checkpoint = Checkpoint("inputs", arrays)
        matrices: dict[str, FloatArray] = {}
        places: dict[str, IntArray] = {}
        train = problem.split(MetaSplit.TRAIN)
        for key in dict.fromkeys(task.examples for task in train):
            rows = np.unique(np.concatenate([task.rows for task in train if task.examples == key]))
            table = problem.tables[key]
            place = np.full(len(table), -1, dtype=np.int64)
            place[rows] = np.arange(len(rows))
            places[key] = place
            task = next(task for task in train if task.examples == key)
            transform = encode_support(checkpoint, problem.support(task, np.arange(0))).transform
            chunks = [transform(table.rows(rows[at : at + _CHUNK])) for at in range(0, len(rows), _CHUNK)]
            matrices[key] = np.concatenate(chunks)
        return cls(problem, arrays, next(iter(matrices.values())).shape[1], matrices, places)

    @property
    def shared(self) -> bool:
        """Whether all tables share one encoding, so that rows can be read without a support."""
        return bool(self.matrices)

    def rows(self, task: Task, positions: IntArray) -> FloatArray:
        """Encoded rows ``[n, width]`` of a meta-training task; only where inputs are shared."""
        return self.matrices[task.examples][self.places[task.examples][task.rows[positions]]]

    def episode(self, task: Task, support: IntArray, query: IntArray) -> tuple[FloatArray, FloatArray]:
        """Encoded support ``[s, width]`` and query ``[q, width]`` of a meta-training task."""
        if self.shared:
            return self.rows(task, support), self.rows(task, query)
        encoded = encode_support(Checkpoint("inputs"), self.problem.support(task, support), width=self.width)
        return encoded.x, encoded.transform(self.problem.query(task, query).x)

    def mean_square_norm(self) -> float:
        """Mean of ``‖x‖² + 1`` over the encoded rows: the curvature that the first layer sees."""
        if not self.shared:
            return self.width + 1.0
        total = sum(float((matrix.astype(np.float64) ** 2).sum()) for matrix in self.matrices.values())
        return total / sum(len(matrix) for matrix in self.matrices.values()) + 1.0
