"""Means over tasks with bootstrap intervals over tasks and episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from med_maml_pipeline.metrics.probabilities import Floats

__all__ = ["N_BOOTSTRAP", "Interval", "bootstrap_columns", "bootstrap_mean", "paired_difference"]

N_BOOTSTRAP = 2_000
_TAILS = (0.025, 0.975)
_CELLS = 4_000_000  # weights held at once: 32 MB


@dataclass(frozen=True)
class Interval:
    """A mean over tasks of means over draws, with its 95 % interval.

    Attributes:
        mean: NaN where every episode is undefined.
        low / high: 2.5 % and 97.5 % percentiles of the replicates; NaN below two defined episodes.
        p_value: Two-sided, of a mean of zero: twice the share of replicates on its rarer side, either side
            counting one more than it has (Davison and Hinkley 1997, section 4.2), 1 at most; NaN below two
            defined episodes. It means something for differences only.
        n_tasks / n_episodes: Tasks and episodes with a defined value.
        n_undefined: Episodes left out because the value is not defined there.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n_tasks: int
    n_episodes: int
    n_undefined: int


def bootstrap_mean(
    values: ArrayLike, tasks: ArrayLike, *, seed: int, n_bootstrap: int = N_BOOTSTRAP
) -> Interval:
    """Mean over tasks of the mean over draws, with a percentile interval by two-stage bootstrap.

    Tasks are drawn with replacement, then episodes with replacement within each drawn task (Davison and
    Hinkley 1997, section 3.8), so the interval covers new tasks and new supports. Undefined episodes are left
    out first. With a single task only its episodes are resampled: the interval then says nothing about other
    tasks. With a single value there is no interval (NaN). Two stages err on the wide side where draws are
    few; percentiles err on the narrow side where tasks are.

    Args:
        values: ``[e]``, NaN where undefined.
        tasks: ``[e]`` names or numbers of the tasks.
        seed: Seed of the replicates. Equal seeds and equal defined episodes give the same replicates, so
            that learners are compared on the same resampled tasks.
        n_bootstrap: Number of replicates.
    """
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap_columns(column, tasks, seed=seed, n_bootstrap=n_bootstrap)[0]


def paired_difference(
    values: ArrayLike, reference: ArrayLike, tasks: ArrayLike, *, seed: int, n_bootstrap: int = N_BOOTSTRAP
) -> Interval:
    """`bootstrap_mean` of value minus reference ``[e]``, on the episodes where both are defined."""
    difference = np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return bootstrap_mean(difference, tasks, seed=seed, n_bootstrap=n_bootstrap)


def bootstrap_columns(
    values: Floats, tasks: ArrayLike, *, seed: int, n_bootstrap: int = N_BOOTSTRAP
) -> list[Interval]:
    """`bootstrap_mean` of each column of ``[e, k]``; those defined on the same episodes share replicates."""
    names = np.asarray(tasks)
    defined = ~np.isnan(values)
    patterns, pattern_of = np.unique(defined, axis=1, return_inverse=True)
    intervals: dict[int, Interval] = {}
    for number, pattern in enumerate(patterns.T):
        columns = np.flatnonzero(pattern_of.reshape(-1) == number)
        found = _intervals(values[np.ix_(pattern, columns)], names[pattern], len(names), seed, n_bootstrap)
        intervals.update(zip(columns.tolist(), found, strict=True))
    return [intervals[column] for column in range(values.shape[1])]


def _intervals(
    values: Floats, names: NDArray[np.generic], n_asked: int, seed: int, n_bootstrap: int
) -> list[Interval]:
    """Intervals of columns ``[e, k]`` without NaN."""
    n_episodes, n_columns = values.shape
    if n_episodes == 0:
        nan = float("nan")
        return [Interval(nan, nan, nan, nan, 0, 0, n_asked)] * n_columns
    _, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
    means = (values / (len(counts) * counts[codes])[:, None]).sum(axis=0)
    low = high = p_values = np.full(n_columns, np.nan)
    if n_episodes > 1:
        order = np.argsort(codes, kind="stable")
        blocks = _weights(counts, n_bootstrap, np.random.default_rng(seed))
        replicates = np.concatenate([weights @ values[order] for weights in blocks])
        low, high = np.quantile(replicates, _TAILS, axis=0)
        rarer = np.minimum((replicates <= 0).sum(axis=0), (replicates >= 0).sum(axis=0))
        p_values = np.minimum(2 * (rarer + 1) / (len(replicates) + 1), 1.0)
    counted = (len(counts), n_episodes, n_asked - n_episodes)
    return [
        Interval(float(mean), float(a), float(b), float(p), *counted)
        for mean, a, b, p in zip(means, low, high, p_values, strict=True)
    ]


def _weights(counts: NDArray[np.int64], n_bootstrap: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Blocks ``[b, e]`` of the weight each episode has in each replicate; episodes lie task by task."""
    n_tasks, n_episodes, widest = len(counts), int(counts.sum()), int(counts.max())
    first = np.cumsum(counts) - counts
    block = max(1, _CELLS // (n_tasks * widest))
    for start in range(0, n_bootstrap, block):
        size = min(block, n_bootstrap - start)
        drawn = rng.integers(n_tasks, size=(size, n_tasks))
        held = counts[drawn][..., None]
        episode = first[drawn][..., None] + (rng.random((size, n_tasks, widest)) * held).astype(np.int64)
        used = np.arange(widest) < held
        cell = (np.arange(size)[:, None, None] * n_episodes + episode)[used]
        share = np.broadcast_to(1 / (n_tasks * held), used.shape)[used]
        weights = np.bincount(cell, weights=share, minlength=size * n_episodes)
        yield weights.astype(np.float64).reshape(size, n_episodes)
