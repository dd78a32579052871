"""Inputs of the networks during meta-training: encoded once where shared, per episode elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.features.encoder import Scaling
from med_maml_pipeline.learners.inputs import (
    EncodedSupport,
    encode_pictures,
    encode_support,
    fit_inputs,
    scaled_pixels,
    training_rows,
)
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.tasks.types import (
    FloatArray,
    ImageShape,
    IntArray,
    MetaSplit,
    PixelArray,
    Problem,
    Support,
    Task,
)

__all__ = ["RANKED_WIDTH", "NetworkInputs", "encode_for_network"]

RANKED_WIDTH = 32
"""Width of the inputs where tables differ: the columns best associated with the label on the support."""

_CHUNK = 4096  # rows encoded at a time, to bound the temporaries


def encode_for_network(checkpoint: Checkpoint, support: Support) -> EncodedSupport:
    """Inputs of the checkpoint's network: pixels where it was trained on pictures, else encoded features."""
    if checkpoint.facts["image"] is not None:
        return encode_pictures(support)
    return encode_support(checkpoint, support, width=checkpoint.facts["width"])


@dataclass(frozen=True)
class NetworkInputs:
    """Encoded rows of the meta-training tasks of one problem.

    Attributes:
        problem: The problem.
        arrays: Encoder state for the checkpoint; empty where inputs are not shared.
        width: Number of inputs of the network.
        image: Shape of the pictures that the network sees; None where it sees features.
        matrices: Per table, the encoded rows ``[m, width]`` (pixels as they are stored, uint8); empty where
            inputs are not shared.
        places: Per table, ``[n]`` row numbers of the table to rows of its matrix.
        scaling: How encoders are fitted.
    """

    problem: Problem
    arrays: dict[str, NDArray[np.generic]]
    width: int
    image: ImageShape | None
    matrices: dict[str, FloatArray | PixelArray]
    places: dict[str, IntArray]
    scaling: Scaling = "robust"

    @classmethod
    def fit(cls, problem: Problem, seed: int, scaling: Scaling = "robust") -> NetworkInputs:
        """Fits the encoder on meta-training rows and encodes them; nothing else of the problem is read."""
        arrays = fit_inputs(problem, seed=seed, scaling=scaling)
        image = next(iter(problem.tables.values())).image
        if image is None and not arrays:
            return cls(problem, {}, RANKED_WIDTH, None, {}, {}, scaling)
        matrices: dict[str, FloatArray | PixelArray] = {}
        places: dict[str, IntArray] = {}
        for key, rows in training_rows(problem):
            place = np.full(len(problem.tables[key]), -1, dtype=np.int64)
            place[rows] = np.arange(len(rows))
            places[key] = place
            matrices[key] = _encoded(problem, key, rows, arrays)
        width = next(iter(matrices.values())).shape[1] if image is None else math.prod(image)
        return cls(problem, arrays, width, image, matrices, places, scaling)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the checkpoint must say of the inputs."""
        return {"width": self.width, "image": self.image, "scaling": self.scaling}

    @property
    def shared(self) -> bool:
        """Whether all tables share one encoding, so that rows can be read without a support."""
        return bool(self.matrices)

    def at(self, key: str, places: IntArray) -> FloatArray:
        """Network inputs ``[n, width]`` of rows of one table's matrix; only where inputs are shared."""
        rows = self.matrices[key][places]
        return rows if self.image is None else scaled_pixels(rows)  # type: ignore[return-value]

    def rows(self, task: Task, positions: IntArray) -> FloatArray:
        """Encoded rows ``[n, width]`` of a meta-training task; only where inputs are shared."""
        return self.at(task.examples, self.places[task.examples][task.rows[positions]])

    def episode(self, task: Task, support: IntArray, query: IntArray) -> tuple[FloatArray, FloatArray]:
        """Encoded support ``[s, width]`` and query ``[q, width]`` of a meta-training task."""
        if self.shared:
            return self.rows(task, support), self.rows(task, query)
        own = Checkpoint("inputs", facts=self.facts)
        encoded = encode_support(own, self.problem.support(task, support), width=self.width)
        return encoded.x, encoded.transform(self.problem.query(task, query).x)

    def mean_square_norm(self) -> float:
        """Mean of ``‖x‖² + 1`` over the encoded rows: the curvature that a linear first layer sees."""
        if not self.shared or self.image is not None:
            return self.width + 1.0
        total = sum(float((matrix.astype(np.float64) ** 2).sum()) for matrix in self.matrices.values())
        return total / sum(len(matrix) for matrix in self.matrices.values()) + 1.0


def _encoded(
    problem: Problem, key: str, rows: IntArray, arrays: Mapping[str, NDArray[np.generic]]
) -> FloatArray | PixelArray:
    table = problem.tables[key]
    if table.pixels is not None:
        return table.pixels[rows].reshape(len(rows), -1)
    task = next(task for task in problem.split(MetaSplit.TRAIN) if task.examples == key)
    checkpoint = Checkpoint("inputs", arrays)
    transform = encode_support(checkpoint, problem.support(task, np.arange(0))).transform
    chunks = [transform(table.rows(rows[at : at + _CHUNK])) for at in range(0, len(rows), _CHUNK)]
    return np.concatenate(chunks)
