"""One comparison of a learner with a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Check", "relative_error"]


@dataclass(frozen=True)
class Check:
    """A number that says how far a learner is from a reference.

    Attributes:
        learner: Name in the registry.
        quantity: What is compared: ``meta-gradient``, ``query scores``, …
        reference: What it is held against: ``TorchOpt``, ``scikit-learn``, ``finite differences``, …
        gate: Largest error that passes.
        error: Computes the relative error, in float64 unless the quantity says otherwise.
    """

    learner: str
    quantity: str
    reference: str
    gate: float
    error: Callable[[], float]


def relative_error(found: ArrayLike, expected: ArrayLike) -> float:
    """``‖found - expected‖ / ‖expected‖`` over all entries (absolute where the reference is zero)."""
    own, other = (np.asarray(a, dtype=np.float64).ravel() for a in (found, expected))
    return float(np.linalg.norm(own - other) / (np.linalg.norm(other) or 1.0))
