"""What the model-based learners compute, in NumPy: one support, one query, one class at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import expit, softmax

from learner_references.by_hand import Matrix
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["HEADS", "REFERENCES", "SPAN", "Reference", "outputs"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
HEADS, SPAN = 4, 32
Held = Mapping[str, Matrix]
Reference = Callable[[Held, Matrix, Matrix, Matrix, Matrix, Matrix], float]
"""Numbers of the process, embedded support, values, one-hot kind, weights, one embedded query: one output."""


def outputs(
    reference: Reference, held: Held, x: Matrix, y: Matrix, asked: Matrix, kind: TargetType
) -> Matrix:
    """Scores ``[q, c]`` of a task: every class against the rest, both sides with half of the weight."""
    code = np.array([kind is BINARY, kind is MULTICLASS, kind is REGRESSION], dtype=np.float64)
    if kind is REGRESSION:
        even = np.full(len(y), 1 / len(y))
        return np.array([[reference(held, x, y, code, even, row)] for row in asked])
    columns = []
    for label in [1] if kind is BINARY else range(int(y.max()) + 1):
        own = y == label
        weight = np.where(own, 0.5 / own.sum(), 0.5 / (~own).sum())
        values = np.where(own, 1.0, -1.0)
        columns.append([reference(held, x, values, code, weight, row) for row in asked])
    logits = np.array(columns).T
    return np.hstack([-logits / 2, logits / 2]) if kind is BINARY else logits


def _linear(held: Held, name: str, z: Matrix) -> Matrix:
    return np.asarray(held[f"{name}.weight"] @ z + held[f"{name}.bias"])


def _silu(z: Matrix) -> Matrix:
    return z * expit(z)


def _norm(held: Held, name: str, z: Matrix) -> Matrix:
    scaled = (z - z.mean()) / np.sqrt(z.var() + 1e-5)
    return np.asarray(scaled * held[f"{name}.weight"] + held[f"{name}.bias"])


def _hidden(held: Held, name: str, z: Matrix) -> Matrix:
    """The two hidden layers of a perceptron."""
    return _silu(_linear(held, f"{name}.tail.body.1", _silu(_linear(held, f"{name}.first", z))))


def _entry(held: Held, z: Matrix) -> Matrix:
    return _norm(held, "entry.1", _linear(held, "entry.0", z))


def _pairs(held: Held, seen: list[Matrix], values: Matrix, code: Matrix) -> list[Matrix]:
    return [
        _linear(
            held, "encoder.tail.head", _hidden(held, "encoder", np.concatenate([row, value * code, code]))
        )
        for row, value in zip(seen, values, strict=True)
    ]


def _decoded(held: Held, row: Matrix, read: Matrix) -> float:
    hidden = _hidden(held, "decoder", np.concatenate([row, read, row * read]))
    return float(_linear(held, "head", np.concatenate([hidden, row * read]))[0])


def _cnp(held: Held, x: Matrix, values: Matrix, code: Matrix, weight: Matrix, asked: Matrix) -> float:
    pairs = _pairs(held, [_entry(held, row) for row in x], values, code)
    mean = sum(share * pair for share, pair in zip(weight, pairs, strict=True))
    return _decoded(held, _entry(held, asked), np.asarray(mean))


def _heads(
    held: Held, name: str, asked: Matrix, keys: list[Matrix], read: list[Matrix], weight: Matrix
) -> Matrix:
    """Attention of one row, head by head; a weight multiplies the exponential of its key."""
    query = _linear(held, f"{name}.query", asked)
    width = len(query) // HEADS
    found = []
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        scores = [_linear(held, f"{name}.key", key)[part] @ query[part] / np.sqrt(width) for key in keys]
        share = weight * np.exp(np.array(scores) - max(scores))
        values = [_linear(held, f"{name}.value", row)[part] for row in read]
        found.append((share / share.sum()) @ np.array(values))
    return _linear(held, f"{name}.out", np.concatenate(found))


def _anp(held: Held, x: Matrix, values: Matrix, code: Matrix, weight: Matrix, asked: Matrix) -> float:
    seen = [_entry(held, row) for row in x]
    pairs = _pairs(held, seen, values, code)
    normed = [_norm(held, "blocks.0.before_attention", pair) for pair in pairs]
    for at, pair in enumerate(list(pairs)):
        row = pair + _heads(held, "blocks.0.attention", normed[at], normed, normed, weight)
        hidden = _silu(_linear(held, "blocks.0.layers.0", _norm(held, "blocks.0.before_layers", row)))
        pairs[at] = row + _linear(held, "blocks.0.layers.2", hidden)
    query = _entry(held, asked)
    return _decoded(held, query, _heads(held, "cross", query, seen, pairs, weight))


def _convolved(held: Held, name: str, rows: list[Matrix], dilation: int) -> list[Matrix]:
    """A causal convolution as its sum: the row now, and the row ``dilation`` before or zero."""
    found = []
    for at, now in enumerate(rows):
        before = rows[at - dilation] if at >= dilation else np.zeros_like(now)
        first, second = np.split(held[f"{name}.taps.weight"], 2, axis=1)
        value, gate = np.split(first @ before + second @ now + held[f"{name}.taps.bias"], 2)
        found.append(np.concatenate([now, np.tanh(value) * expit(gate)]))
    return found


def _looked_back(held: Held, name: str, rows: list[Matrix]) -> list[Matrix]:
    keys = np.array([_linear(held, f"{name}.key", row) for row in rows])
    values = np.array([_linear(held, f"{name}.value", row) for row in rows])
    found = []
    for at, row in enumerate(rows):
        scores = keys[: at + 1] @ _linear(held, f"{name}.query", row) / np.sqrt(keys.shape[1])
        found.append(np.concatenate([row, softmax(scores) @ values[: at + 1]]))
    return found


def _snail(held: Held, x: Matrix, values: Matrix, code: Matrix, weight: Matrix, asked: Matrix) -> float:
    """The whole sequence, the query at its end; the weights play no part."""
    rows = [
        np.concatenate([_entry(held, row), value * code, code]) for row, value in zip(x, values, strict=True)
    ]
    rows.append(np.concatenate([_entry(held, asked), np.zeros(2 * len(code))]))
    levels, number = int(np.ceil(np.log2(SPAN))), 0
    for stage in range(3):
        for level in range(levels if stage else 0):
            rows = _convolved(held, f"layers.{number}", rows, 2**level)
            number += 1
        rows = _looked_back(held, f"layers.{number}", rows)
        number += 1
    return float(_linear(held, "head", rows[-1])[0])


REFERENCES: dict[str, Reference] = {"cnp": _cnp, "anp": _anp, "snail": _snail}
"""By learner, with its default settings (`HEADS`, one layer, `SPAN`)."""
