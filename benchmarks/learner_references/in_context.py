"""The in-context transformer against NumPy; what its scores must not depend on; its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from learner_references.by_hand import N_SUPPORT, Case, problem
from learner_references.check import Check, relative_error
from learner_references.in_context_formulas import scores
from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.in_context import query_loss
from med_maml_pipeline.learners.in_context_episodes import InContextTraining
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.networks import IDENTITY, InContext, initial_parameters
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

__all__ = ["CHECKS"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
KINDS = (BINARY, MULTICLASS, REGRESSION)
_NAME, _CELL, _ROW, _BLOCKS, _HEADS, _COLUMNS = "in_context", 6, 8, 2, 2, 7
_SINGLE = 2e-7  # predictions are stored in single precision
_STEP = 3e-5


def _network() -> InContext:
    return InContext(_CELL, _ROW, _BLOCKS, _HEADS, len(KINDS))


@cache
def _parameters() -> dict[str, Tensor]:
    """Numbers of the network, moved from where they start, so that none is zero."""
    rng = np.random.default_rng(3)
    drawn = initial_parameters(_network(), 3, dtype=torch.float64)
    return {name: v + torch.from_numpy(rng.normal(0, 0.2, v.shape)) for name, v in drawn.items()}


@cache
def _episodes() -> tuple[Tensor, ...]:
    """Two supports, one padded by noise that must not count and with a flat column; queries, identities."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 11, _COLUMNS)), rng.choice((-1.0, 1.0), (2, 11))
    x[1, :8, 2] = 3.0
    weight = rng.random((2, 11)) + 0.1
    weight[1, 8:] = 0.0
    weight /= weight.sum(1, keepdims=True)
    asked, identity = rng.normal(size=(2, 5, _COLUMNS)), rng.normal(size=(2, _COLUMNS, IDENTITY))
    return tuple(torch.from_numpy(part) for part in (x, y, weight, asked, identity))


def _kind(kind: TargetType) -> Tensor:
    return torch.tensor([float(kind is known) for known in KINDS], dtype=torch.float64)


def _found(parts: tuple[Tensor, ...], kind: TargetType = BINARY) -> NDArray[np.float64]:
    found: Tensor = functional_call(_network(), _parameters(), (*parts, _kind(kind)))
    return found.detach().numpy()


def _by_hand(kind: TargetType) -> float:
    """The whole way forward, a support at a time and loop by loop."""
    held = {name: value.numpy() for name, value in _parameters().items()}
    expected = []
    for x, y, weight, asked, identity in zip(*(part.numpy() for part in _episodes()), strict=True):
        n = int((weight > 0).sum())
        shown = (x[:n], y[:n], weight[:n], asked, identity, _kind(kind).numpy())
        expected.append(scores(held, *shown, blocks=_BLOCKS, heads=_HEADS))
    return relative_error(_found(_episodes(), kind), expected)


def _columns_permuted() -> float:
    x, y, weight, asked, identity = _episodes()
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    return relative_error(
        _found((x[..., order], y, weight, asked[..., order], identity[:, order])), _found(_episodes())
    )


def _rows_permuted() -> float:
    x, y, weight, asked, identity = _episodes()
    order = torch.tensor([10, 3, 7, 0, 9, 2, 5, 1, 8, 4, 6])
    moved = (x[:, order], y[:, order], weight[:, order], asked, identity)
    return relative_error(_found(moved), _found(_episodes()))


@cache
def _case(kind: TargetType) -> Case:
    made = problem(kind)
    checkpoint = get_learner(_NAME).meta_fit(made, {"steps": 5, "hidden": (8, 8)}, 0, Monitor())
    task = made.split(MetaSplit.TEST)[0]
    order = np.random.default_rng(1).permutation(len(task))
    return Case(checkpoint, made.support(task, order[:N_SUPPORT]), made.query(task, order[N_SUPPORT:]))


def _alone(kind: TargetType) -> float:
    """Queries asked one by one."""
    held = _case(kind)
    predict = get_learner(_NAME).adapt(held.checkpoint, held.support, {}, 0)
    alone = np.concatenate([predict(row[None]) for row in held.query.x])
    return relative_error(predict(held.query.x), alone)


def _batch(kind: TargetType) -> TypedBatch:
    rng, n_classes = np.random.default_rng(6), {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}[kind]

    def rows(n: int) -> Labelled:
        y = rng.normal(size=(2, n)) if kind is REGRESSION else np.tile(np.arange(n) % n_classes, (2, 1))
        x = torch.from_numpy(rng.normal(size=(2, n, _COLUMNS)))
        return Labelled(x, torch.from_numpy(y), torch.full((2, n), 1 / n, dtype=torch.float64))

    return TypedBatch(kind, n_classes, EpisodeBatch(rows(9), rows(6)))


def _gradient(kind: TargetType) -> float:
    """The gradient of an update's loss along random directions, against five-point differences."""
    batch, options, names = _batch(kind), InContextTraining(), tuple(_parameters())

    def loss(parameters: Mapping[str, Tensor]) -> Tensor:
        return query_loss(_network(), parameters, batch, options, None)

    leaves = {name: value.clone().requires_grad_() for name, value in _parameters().items()}
    gradients = torch.autograd.grad(loss(leaves), list(leaves.values()), allow_unused=True)
    found, expected = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        way = {name: torch.from_numpy(rng.normal(size=_parameters()[name].shape)) for name in names}
        along = [(g * way[name]).sum() for name, g in zip(names, gradients, strict=True) if g is not None]
        found.append(float(torch.stack(along).sum()))
        at = [
            float(loss({name: _parameters()[name] + step * _STEP * way[name] for name in names}))
            for step in (-2, -1, 1, 2)
        ]
        expected.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * _STEP))
    return relative_error(found, expected)


def _of_each(quantity: str, reference: str, gate: float, error: Callable[[TargetType], float]) -> list[Check]:
    return [Check(_NAME, f"{quantity}, {kind}", reference, gate, partial(error, kind)) for kind in KINDS]


CHECKS: tuple[Check, ...] = (
    *_of_each("scores", "NumPy loops", 1e-10, _by_hand),
    Check(_NAME, "scores", "columns in another order", 1e-10, _columns_permuted),
    Check(_NAME, "scores", "support in another order", 1e-10, _rows_permuted),
    *_of_each("query scores", "queries one by one", _SINGLE, _alone),
    *_of_each("meta-gradient", "finite differences", 1e-8, _gradient),
)
