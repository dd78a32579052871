"""Inputs of meta-training that live on the device: episodes travel as row numbers and are gathered there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.tasks.types import IntArray, Task

__all__ = ["ResidentInputs"]


@dataclass(frozen=True)
class ResidentInputs:
    """`NetworkInputs` on a device.

    Attributes:
        inputs: The encoded rows on the host.
        device: ``cpu`` or ``cuda``.
        matrix: ``[m, width]`` rows of all tables on the device (pixels as uint8); None where episodes travel
            as rows: on a CPU, where gathering in NumPy is faster, and where inputs depend on the support.
        first: Row of ``matrix`` at which a table begins.
    """

    inputs: NetworkInputs
    device: str
    matrix: Tensor | None
    first: Mapping[str, int]

    @classmethod
    def of(cls, inputs: NetworkInputs, device: str, *, resident: bool | None = None) -> ResidentInputs:
        """Copies the rows to the device, once.

        Args:
            inputs: The rows.
            device: ``cpu`` or ``cuda``.
            resident: Whether to keep a matrix; None keeps one on ``cuda``.
        """
        wanted = device != "cpu" if resident is None else resident
        if not (wanted and inputs.shared):
            return cls(inputs, device, None, {})
        counts = [len(matrix) for matrix in inputs.matrices.values()]
        first = dict(zip(inputs.matrices, np.cumsum([0, *counts[:-1]]).tolist(), strict=True))
        parts = [torch.from_numpy(matrix).to(device) for matrix in inputs.matrices.values()]
        return cls(inputs, device, torch.cat(parts), first)

    def episode(
        self, task: Task, support: IntArray, query: IntArray
    ) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
        """Row numbers ``[s]`` and ``[q]`` of an episode, or its rows where there is no matrix."""
        if self.matrix is None:
            return self.inputs.episode(task, support, query)
        places, first = self.inputs.places[task.examples], self.first[task.examples]
        return places[task.rows[support]] + first, places[task.rows[query]] + first

    def rows(self, batch: TypedBatch) -> TypedBatch:
        """The batch on the device with rows in place of row numbers; zero where padded, as on the host."""
        episodes = EpisodeBatch(self._gathered(batch.episodes.support), self._gathered(batch.episodes.query))
        return replace(batch, episodes=episodes)

    def _gathered(self, rows: Labelled) -> Labelled:
        here = Labelled(*(part.to(self.device) for part in (rows.x, rows.y, rows.weight)))
        if here.x.is_floating_point() or self.matrix is None:
            return here
        x = self.matrix[here.x]
        if self.inputs.image is not None:
            x = x.to(torch.float32) / 127.5 - 1.0  # as `scaled_pixels`
        return replace(here, x=x.masked_fill((here.weight == 0).unsqueeze(-1), 0.0))
