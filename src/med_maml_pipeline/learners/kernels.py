"""Kernel ridge regression, and the Gaussian kernel at the scale of the support."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist, pdist

from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["Kernel", "centred_kernel_ridge", "gaussian", "kernel_ridge", "median_distance"]

Matrix = NDArray[np.float64]

Kernel = Callable[[FloatArray], Matrix]
"""Rows ``[q, f]`` to similarities ``[q, n]`` with the support."""


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


def kernel_ridge(kernel: Kernel, x: FloatArray, y: Matrix, ridge: float) -> Callable[[FloatArray], Matrix]:
    """The mean of a Gaussian process with mean 0: solves ``(K + ridge I) w = y``.

    Args:
        kernel: Similarity with the support.
        x: The support ``[n, f]``.
        y: Its targets ``[n]`` or ``[n, t]``.
        ridge: Variance of the noise.

    Returns:
        The map from rows ``[q, f]`` to fitted ``[q]`` or ``[q, t]``.
    """
    weights = cho_solve(cho_factor(kernel(x) + ridge * np.eye(len(x))), y)
    return lambda query: np.asarray(kernel(query) @ weights)


def centred_kernel_ridge(
    kernel: Kernel, x: FloatArray, y: Matrix, ridge: float
) -> Callable[[FloatArray], Matrix]:
    """`kernel_ridge` about the mean of the targets."""
    mean = y.mean(axis=0)
    fitted = kernel_ridge(kernel, x, y - mean, ridge)
    return lambda query: fitted(query) + mean
