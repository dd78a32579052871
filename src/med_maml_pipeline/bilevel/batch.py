"""Episodes of one target type, stacked and padded to one shape."""

from __future__ import annotations

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


@dataclass(frozen=True)
class EpisodeBatch:
    """Support and query sets of ``t`` tasks that share target type and number of classes."""

    support: Labelled
    query: Labelled
