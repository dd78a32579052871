"""Whitening: features turned and scaled so that examples of one class spread alike in every direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, TargetType

__all__ = ["fit_whitening", "whitened"]

PREFIX = "whitening."
_WIDEST = 2_000  # columns; the cost grows with their cube

Features = Callable[[str, NDArray[np.int64]], FloatArray]
"""Table key and row numbers ``[n]`` to features ``[n, width]``."""


def fit_whitening(
    problem: Problem, features: Features, *, max_rows: int = 4_000, seed: int = 0
) -> dict[str, NDArray[np.generic]]:
    """Mean and inverse root of the within-class covariance over the meta-training tasks.

    Where all of them are numeric, the covariance is of what a task's target does not explain linearly.

    The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf, J. Multivar. Anal. 2004):
    there are often fewer examples than features.

    Args:
        problem: Only its meta-training tasks are read.
        features: Gives the features of rows.
        max_rows: More rows than this are drawn down.
        seed: Of that draw.

    Returns:
        ``whitening.mean`` ``[d]`` and ``whitening.root`` ``[d, d]``; empty where there is no training task,
        or where the features are too many.
    """
    from sklearn.covariance import LedoitWolf

    parts, centred = [], []
    rng = np.random.default_rng(seed)
    every = problem.split(MetaSplit.TRAIN)
    tasks = [task for task in every if task.target_type is not TargetType.REGRESSION] or every
    for task in tasks:
        share = max(max_rows // len(tasks), 2)
        chosen = np.sort(rng.permutation(len(task))[:share])
        x = features(task.examples, task.rows[chosen]).astype(np.float64)
        explained = _along_target if task.target_type is TargetType.REGRESSION else _class_means
        parts.append(x)
        centred.append(x - explained(x, task.y[chosen]))
    if not parts or parts[0].shape[1] > _WIDEST:
        return {}
    covariance = LedoitWolf(assume_centered=True).fit(np.concatenate(centred)).covariance_
    values, vectors = np.linalg.eigh(covariance)
    root = vectors / np.sqrt(np.maximum(values, 1e-9))
    return {
        PREFIX + "mean": np.concatenate(parts).mean(axis=0).astype(np.float32),
        PREFIX + "root": root.astype(np.float32),
    }


def whitened(arrays: Mapping[str, NDArray[np.generic]], x: FloatArray, share: float = 1.0) -> FloatArray:
    """Features ``[n, d]`` turned and scaled; as they are where no whitening was fitted.

    Args:
        arrays: Of `fit_whitening`.
        x: The features.
        share: Of the covariance; the rest is its mean over all directions, which only turns and keeps lengths
            in proportion.
    """
    if PREFIX + "root" not in arrays:
        return x
    mean, root = (arrays[PREFIX + name].astype(np.float64) for name in ("mean", "root"))
    variances = 1.0 / (root**2).sum(axis=0)
    scale = np.sqrt(variances / (share * variances + (1.0 - share) * variances.mean()))
    return np.asarray((x.astype(np.float64) - mean) @ (root * scale), dtype=np.float32)


def _class_means(x: NDArray[np.float64], y: FloatArray) -> NDArray[np.float64]:
    """The mean of its class for every row."""
    classes, codes = np.unique(y, return_inverse=True)
    sums = np.zeros((len(classes), x.shape[1]))
    np.add.at(sums, codes, x)
    return (sums / np.bincount(codes)[:, None])[codes]


def _along_target(x: NDArray[np.float64], y: FloatArray) -> NDArray[np.float64]:
    """For every row, the mean of all and what is linear in its value."""
    mean, values = x.mean(axis=0), y.astype(np.float64) - y.mean(dtype=np.float64)
    return mean + np.outer(values, values @ (x - mean)) / (float(values @ values) or 1.0)
