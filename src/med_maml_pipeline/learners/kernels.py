"""The Gaussian kernel at the scale of the support, which is all that a few rows say of distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["gaussian", "median_distance"]

Matrix = NDArray[np.float64]


def median_distance(x: FloatArray) -> float:
    """Median of the Euclidean distances between different rows of ``x`` ``[n, f]``; 1 where all are alike.

    The heuristic of Garreau, Jitkrittum and Kanagawa (2017) for a kernel's width.
    """
    distances = pdist(x.astype(np.float64))
    apart = distances[distances > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def gaussian(a: FloatArray, b: FloatArray, width: float) -> Matrix:
    """``exp(-‖a - b‖² / 2 width²)``, ``[n, m]`` of rows ``[n, f]`` and ``[m, f]``."""
    # Pair by pair: a matrix product's rounding would depend on the batch.
    squares = cdist(a.astype(np.float64), b.astype(np.float64), metric="sqeuclidean")
    return np.asarray(np.exp(-squares / (2 * width**2)))
