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

    The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf, J. Multivar. Anal. 2004):
    there are often fewer examples than features.

    Args:
        problem: Only its meta-training tasks are read.
        features: Gives the features of rows.
        max_rows: More rows than this are drawn down.
        seed: Of that draw.

    Returns:
        ``whitening.mean`` ``[d]`` and ``whitening.root`` ``[d, d]``; empty where there is no training task
        with classes, or where the features are too many.
    """
    from sklearn.covariance import LedoitWolf

    parts, centred = [], []
    rng = np.random.default_rng(seed)
    tasks = [t for t in problem.split(MetaSplit.TRAIN) if t.target_type is not TargetType.REGRESSION]
    for task in tasks:
        share = max(max_rows // len(tasks), 2)
        chosen = np.sort(rng.permutation(len(task))[:share])
        x, y = features(task.examples, task.rows[chosen]).astype(np.float64), task.y[chosen]
        parts.append(x)
        centred.append(x - _class_means(x, y))
    if not parts or parts[0].shape[1] > _WIDEST:
        return {}
    covariance = LedoitWolf(assume_centered=True).fit(np.concatenate(centred)).covariance_
    values, vectors = np.linalg.eigh(covariance)
    root = vectors / np.sqrt(np.maximum(values, 1e-9))
    return {
        PREFIX + "mean": np.concatenate(parts).mean(axis=0).astype(np.float32),
        PREFIX + "root": root.astype(np.float32),
    }


def whitened(arrays: Mapping[str, NDArray[np.generic]], x: FloatArray) -> FloatArray:
    """Features ``[n, d]`` turned and scaled; as they are where no whitening was fitted."""
    if PREFIX + "root" not in arrays:
        return x
    mean, root = (arrays[PREFIX + name].astype(np.float64) for name in ("mean", "root"))
    return np.asarray((x.astype(np.float64) - mean) @ root, dtype=np.float32)


def _class_means(x: NDArray[np.float64], y: FloatArray) -> NDArray[np.float64]:
    """The mean of its class for every row."""
    classes, codes = np.unique(y, return_inverse=True)
    sums = np.zeros((len(classes), x.shape[1]))
    np.add.at(sums, codes, x)
    return (sums / np.bincount(codes)[:, None])[codes]
