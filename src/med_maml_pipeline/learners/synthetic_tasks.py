"""Made-up tables with a task each: what an in-context learner trains on beside the problem's own tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, Query, Support, TargetType

__all__ = ["synthetic_tasks"]

_STREAM = 0x517A  # keeps these draws apart from other uses of the same seed
_WIDTHS = (3, 100)
_SIZES = (4, 48)  # support rows
_CLASSES = (2, 6)

Matrix = NDArray[np.float64]


def synthetic_tasks(
    seed: int, step: int, n_tasks: int, n_query: int, types: Sequence[TargetType]
) -> list[tuple[Support, Query]]:
    """Draws tasks from a prior over small causal models (Müller et al. 2022, Hollmann et al. 2023).

    Columns are mixtures of a few hidden causes, bent, cut into levels or counts, partly missing; most of them
    tell nothing. The target follows from some of the columns: linearly, by a perceptron or by thresholds, or
    is itself a cause that moves them; then noise is added. A pure function of its arguments.

    Args:
        seed: Seed of the learner.
        step: Update.
        n_tasks: Number of tasks; they share type of target and number of classes, to form one batch.
        n_query: Query rows of each.
        types: Types of target to draw from.
    """
    rng = np.random.default_rng((_STREAM, seed, step))
    target_type = types[int(rng.integers(len(types)))]
    n_classes = 0
    if target_type is not TargetType.REGRESSION:
        n_classes = 2 if target_type is TargetType.BINARY else int(rng.integers(*_CLASSES, endpoint=True))
    return [_task(rng, target_type, n_classes, n_query) for _ in range(n_tasks)]


def _task(
    rng: np.random.Generator, target_type: TargetType, n_classes: int, n_query: int
) -> tuple[Support, Query]:
    size = max(_log_uniform(rng, *_SIZES), 2 * n_classes)
    width = _log_uniform(rng, *_WIDTHS)
    rows = 4 * size + n_query
    columns = _columns(rng, rows, width)
    score = _score(rng, columns)
    if rng.random() < 0.3:
        columns = _moved(rng, columns, score)
    y = _target(rng, score, n_classes)
    support = _support_rows(rng, y, n_classes, size)
    x, kinds = _observed(rng, columns)
    rest = np.setdiff1d(np.arange(rows), support)[:n_query]
    made = Support(x[support], y[support], kinds, target_type, n_classes)
    return made, Query(x[rest], y[rest])


def _log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _standard(x: Matrix) -> Matrix:
    deviation = x.std(axis=0)
    standard: Matrix = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return standard


def _columns(rng: np.random.Generator, rows: int, width: int) -> Matrix:
    """Columns ``[rows, width]`` of unit deviation that share some of their causes."""
    causes = rng.normal(size=(rows, int(rng.integers(1, 1 + max(2, width // 2)))))
    if rng.random() < 0.3:
        causes = np.sign(causes) * np.abs(causes) ** rng.uniform(0.5, 2.0)
    mixing = rng.normal(size=(causes.shape[1], width)) * (rng.random((causes.shape[1], width)) < 0.4)
    shared = rng.beta(1.0, 1.0)
    return _standard(shared * _standard(causes @ mixing) + (1 - shared) * rng.normal(size=(rows, width)))


def _score(rng: np.random.Generator, columns: Matrix) -> Matrix:
    """What the target follows, ``[rows]`` of unit deviation: a function of some columns, and noise."""
    width = columns.shape[1]
    telling = rng.choice(width, min(width, 1 + rng.geometric(0.25)), replace=False)
    if rng.random() < 0.25:
        telling = np.arange(width)
    inputs = columns[:, telling]
    weights = rng.normal(size=len(telling)) * rng.gamma(1.0, size=len(telling))
    kind = rng.choice(("linear", "perceptron", "thresholds"), p=(0.5, 0.25, 0.25))
    if kind == "linear":
        score = inputs @ weights
    elif kind == "perceptron":
        hidden = np.tanh(inputs @ rng.normal(size=(len(telling), 8)) + rng.normal(size=8))
        score = hidden @ rng.normal(size=8)
    else:
        score = (inputs > rng.normal(scale=0.7, size=len(telling))) @ weights
    noise = rng.uniform(0.0, 1.5)
    return _standard(_standard(score) + noise * rng.normal(size=len(score)))


def _moved(rng: np.random.Generator, columns: Matrix, score: Matrix) -> Matrix:
    """Columns that the target moves in its turn, as a disease moves what is measured."""
    share = rng.uniform(0.05, 0.6)
    effect = rng.normal(size=columns.shape[1]) * (rng.random(columns.shape[1]) < share)
    return columns + score[:, None] * effect


def _target(rng: np.random.Generator, score: Matrix, n_classes: int) -> FloatArray:
    """Values in some unit, or classes of unequal size, in any order along the score."""
    if n_classes == 0:
        bent = np.exp(score * rng.uniform(0.2, 1.0)) if rng.random() < 0.3 else score
        return (bent * 10.0 ** rng.uniform(-1, 2)).astype(np.float32)
    shares = np.clip(rng.dirichlet(np.full(n_classes, 4.0)), 0.1, None)
    edges = np.quantile(score, np.cumsum(shares / shares.sum())[:-1])
    return rng.permutation(n_classes)[np.searchsorted(edges, score)].astype(np.float32)


def _support_rows(rng: np.random.Generator, y: FloatArray, n_classes: int, size: int) -> NDArray[np.int64]:
    """Rows of the support: equally many of each class, or as they come, at least one of each."""
    order = rng.permutation(len(y))
    if n_classes == 0:
        return order[:size]
    by_class = [order[y[order] == label] for label in range(n_classes)]
    if rng.random() < 0.7:
        return np.concatenate([rows[: size // n_classes] for rows in by_class])
    first = np.array([rows[0] for rows in by_class if len(rows)])
    return np.concatenate([first, order[~np.isin(order, first)][: size - len(first)]])


def _observed(rng: np.random.Generator, columns: Matrix) -> tuple[FloatArray, tuple[FeatureKind, ...]]:
    """Columns as a table holds them: numbers on bent scales, levels, counts; cells missing."""
    x, kinds = columns.copy(), [FeatureKind.NUMERIC] * columns.shape[1]
    for place in range(x.shape[1]):
        kind = rng.random()
        if kind < 0.2:
            x[:, place] = x[:, place] > rng.normal()
            kinds[place] = FeatureKind.INDICATOR
        elif kind < 0.3:
            x[:, place] = np.floor(np.exp(x[:, place]))
            kinds[place] = FeatureKind.COUNT
        elif kind < 0.5:
            x[:, place] = np.exp(rng.uniform(0.3, 1.0) * x[:, place])
        elif kind < 0.6:
            x[:, place] = np.round(x[:, place] * rng.uniform(0.7, 3.0))
    if rng.random() < 0.4:
        x[rng.random(x.shape) < rng.uniform(0.0, 0.5, size=x.shape[1])] = np.nan
    return x.astype(np.float32), tuple(kinds)
