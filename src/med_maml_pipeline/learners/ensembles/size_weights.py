"""Weights of an ensemble's members as a smooth function of support size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SizeRange"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SizeRange:
    """Support sizes that were seen: a weight is linear in the logarithm of the size between their ends.

    Beyond an end the weight stays as it is there: nothing is known of larger or smaller supports.

    Attributes:
        smallest / largest: Numbers of support examples.
    """

    smallest: int
    largest: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> SizeRange:
        """The range of some sizes."""
        found = list(sizes)
        return cls(min(found), max(found))

    def basis(self, n_support: int) -> Floats:
        """Shares ``[2]`` of the smallest and the largest size in this one; they add up to 1."""
        if self.largest <= self.smallest:
            return np.array([0.5, 0.5])
        place = np.log(n_support / self.smallest) / np.log(self.largest / self.smallest)
        at = float(np.clip(place, 0.0, 1.0))
        return np.array([1.0 - at, at])

    def weights(self, ends: Floats, n_support: int) -> Floats:
        """Weights ``[m]`` at a size, from those at both ends ``[2, m]``."""
        return self.basis(n_support) @ ends
