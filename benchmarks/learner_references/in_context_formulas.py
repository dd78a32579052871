"""The in-context transformer in plain NumPy, one support at a time, written from its description."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["scores"]

Matrix = NDArray[np.float64]
_WIDTHS = (0.3, 1.0)


def scores(
    held: Mapping[str, Matrix],
    x: Matrix,
    y: Matrix,
    weight: Matrix,
    asked: Matrix,
    identity: Matrix,
    kind: Matrix,
    *,
    blocks: int,
    heads: int,
) -> Matrix:
    """Scores ``[q]`` of queries ``[q, k]``, given a support ``[n, k]`` without padding."""
    n, k = x.shape
    centre = weight @ x
    deviation = np.sqrt(weight @ (x - centre) ** 2)
    live = deviation > 1e-6
    every = np.clip((np.vstack([x, asked]) - centre) / np.where(live, deviation, np.inf), -5, 5)
    rows = 1 / np.sum(weight**2)
    sizes = np.array([np.log(rows) - 3, np.log1p(live.sum()) - 3])
    columns = _silu(
        _linear(held, "column", np.array([_column(every[:n], y, weight, rows, j, sizes) for j in range(k)]),
                identity, np.tile(kind, (k, 1)))
    )  # fmt: skip
    focus, metric = (_softmax(_linear(held, name, columns), live) for name in ("focus", "metric"))  # [k, h]
    tokens = []
    for i, row in enumerate(every):
        cells = np.array([_cell(every[:n], y, weight, rows, i, j, row[j]) for j in range(k)])
        hidden = _linear(held, "cell", cells) + _linear(held, "told", columns)
        hidden = _silu(_norm(held, "normed", hidden + row[:, None] * (identity @ held["own.weight"].T)))
        token = _linear(held, "row", (focus.T @ hidden).ravel(), sizes, kind)
        tokens.append(token + _linear(held, "target", y[i : i + 1]) if i < n else token)
    distance = np.array([[metric.T @ (a - b) ** 2 for b in every[:n]] for a in every])  # [n + q, n, h]
    hidden = np.array(tokens)
    for block in range(blocks):
        hidden = _block(held, f"blocks.{block}", hidden, distance, weight, heads)
    return _linear(held, "head", _norm(held, "last", hidden[n:]))[:, 0]


def _column(support: Matrix, y: Matrix, weight: Matrix, rows: float, j: int, sizes: Matrix) -> Matrix:
    slopes = support.T @ (weight * y)
    strength = slopes[j] * np.sqrt(rows)
    stronger = sum(abs(slopes[j]) < abs(slope) for slope in slopes)
    skew, tails = (float(weight @ support[:, j] ** power) for power in (3, 4))
    own = [strength, abs(strength), abs(slopes[j]), np.log1p(stronger) - 2, skew / 3, np.log1p(tails) - 1]
    return np.array([*own, *sizes])


def _cell(support: Matrix, y: Matrix, weight: Matrix, rows: float, i: int, j: int, z: float) -> Matrix:
    """Features of the cell of row ``i`` from the other support rows (all of them for a query)."""
    others = [a for a in range(len(support)) if a != i]
    share = weight[others].sum()
    slope = np.clip(np.sum(weight[others] * y[others] * support[others, j]) / share, -5, 5)
    strength = slope * np.sqrt(rows)
    means = []
    for width in _WIDTHS:
        near = rows * weight[others] * np.exp(-0.5 * ((z - support[others, j]) / width) ** 2)
        means.append(near @ y[others] / (1 + near.sum()))
    return np.array([z, slope * z, np.tanh(3 * strength) * z, abs(strength), *means])


def _block(
    held: Mapping[str, Matrix], name: str, rows: Matrix, distance: Matrix, weight: Matrix, heads: int
) -> Matrix:
    n, seen = len(weight), _norm(held, f"{name}.before", rows)
    query, key, value = (_linear(held, f"{name}.{part}", seen) for part in ("query", "key", "value"))
    reach = np.log1p(np.exp(held[f"{name}.reach"]))
    read, width = np.zeros_like(rows), rows.shape[1] // heads
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for i in range(len(rows)):
            logits = key[:n, part] @ query[i, part] / np.sqrt(width) - reach[head] * distance[i, :, head]
            attention = weight * np.exp(logits - logits.max())
            read[i, part] = attention @ value[:n, part] / attention.sum()
    rows = rows + _linear(held, f"{name}.out", read)
    raised = _silu(_linear(held, f"{name}.layers.0", _norm(held, f"{name}.between", rows)))
    return rows + _linear(held, f"{name}.layers.2", raised)


def _linear(held: Mapping[str, Matrix], name: str, *parts: Matrix) -> Matrix:
    return np.concatenate(parts, axis=-1) @ held[f"{name}.weight"].T + held[f"{name}.bias"]


def _norm(held: Mapping[str, Matrix], name: str, x: Matrix) -> Matrix:
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / scale * held[f"{name}.weight"] + held[f"{name}.bias"]


def _silu(x: Matrix) -> Matrix:
    return x / (1 + np.exp(-x))


def _softmax(logits: Matrix, live: NDArray[np.bool_]) -> Matrix:
    """Over the live of ``k`` columns, ``[k, h]``."""
    raised = np.exp(logits - logits.max(0)) * live[:, None]
    return raised / raised.sum(0)
