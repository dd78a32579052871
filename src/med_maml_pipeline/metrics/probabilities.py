"""Stored scores as arrays, probabilities and rankings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Floats", "as_matrix", "has_numbers", "log_odds", "softmax"]

Floats = NDArray[np.float64]


def as_matrix(scores: ArrayLike, n_queries: int) -> Floats:
    """Row-major scores of an episode as ``[q, n_outputs]``; one output per query means regression.

    Args:
        scores: ``[q * n_outputs]`` or ``[q, n_outputs]`` logits, or ``[q]`` values.
        n_queries: ``q``.

    Raises:
        ValueError: there is no query, or the number of scores is no multiple of the number of queries.
    """
    flat = np.asarray(scores, dtype=np.float64).reshape(-1)
    if n_queries == 0 or len(flat) == 0 or len(flat) % n_queries:
        raise ValueError(
            f"{len(flat)} scores for {n_queries} queries; expected the same number for each query"
        )
    return flat.reshape(n_queries, -1)


def has_numbers(scores: Floats) -> bool:
    """Whether ``[q, n_outputs]`` scores can be used: all finite, or −inf for classes that are ruled out."""
    if np.isfinite(scores).all():
        return True
    if scores.shape[1] < 2 or np.isnan(scores).any() or np.isposinf(scores).any():
        return False
    return bool(np.isfinite(scores).any(axis=1).all())


def softmax(logits: Floats) -> Floats:
    """Probabilities ``[q, c]`` of logits ``[q, c]``."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def log_odds(logits: Floats) -> Floats:
    """Log-odds of each class against all others, ``[q, c]``.

    Ranks queries as the probabilities do, but keeps apart what rounds to the same probability near 0 or 1.
    """
    if logits.shape[1] == 2:
        margin = logits[:, 1] - logits[:, 0]
        return np.stack([-margin, margin], axis=1)
    odds = np.empty_like(logits)
    for label in range(logits.shape[1]):
        odds[:, label] = logits[:, label] - _log_sum_exp(np.delete(logits, label, axis=1))
    return odds


def _log_sum_exp(logits: Floats) -> Floats:
    top = logits.max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):  # all others ruled out: the odds are infinite, and rank first
        return np.asarray(np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0])
