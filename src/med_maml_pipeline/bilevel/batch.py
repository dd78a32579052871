"""Episodes of one target type, stacked and padded to one shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

__all__ = ["EpisodeBatch", "Labelled"]


@dataclass(frozen=True)
class Labelled:
    """Labelled rows of ``t`` tasks.

    Attributes:
        x: ``[t, n, ...]`` inputs; zero where padded.
        y: ``[t, n]`` class indices (int64) or values; zero where padded.
        weight: ``[t, n]`` weight of each row in its task's loss; sums to 1 per task, zero where padded.
    """

    x: Tensor
    y: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, tasks: slice) -> Labelled:
        return Labelled(self.x[tasks], self.y[tasks], self.weight[tasks])


@dataclass(frozen=True)
class EpisodeBatch:
    """Support and query sets of ``t`` tasks that share target type and number of classes."""

    support: Labelled
    query: Labelled

    def __len__(self) -> int:
        return len(self.support)

    def __getitem__(self, tasks: slice) -> EpisodeBatch:
        return EpisodeBatch(self.support[tasks], self.query[tasks])

    def chunks(self, size: int) -> Iterator[EpisodeBatch]:
        """Batches of at most ``size`` tasks, in order."""
        for first in range(0, len(self), size):
            yield self[first : first + size]
