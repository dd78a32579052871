"""Metric-based learners against SciPy, scikit-learn and NumPy; their meta-gradients against differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch.func import functional_call

from learner_references.by_hand import case, encoded, network, standardised
from learner_references.check import Check, relative_error
from learner_references.metric_formulas import REFERENCES, Reference
from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.r2d2 import ridge_weights
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.networks import MLP, initial_parameters
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["CHECKS"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
N_CLASSES = {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}
_SCORES = 2e-7  # predictions are stored in single precision
_WIDTH, _STEP = 9, 2e-4


def _numbers(name: str, seed: int) -> dict[str, torch.Tensor]:
    """What is learned beside an embedding, moved from where it starts."""
    rng = np.random.default_rng(seed)
    held = get_learner(name).beside(_WIDTH, {"relation": 5}, seed)  # type: ignore[attr-defined]
    return {key: v.double() + torch.from_numpy(rng.normal(0, 0.3, v.shape)) for key, v in held.items()}


def _rows(rng: np.random.Generator, sizes: tuple[int, ...], kind: TargetType, width: int) -> Labelled:
    """Sets of different sizes in double precision; padding is noise that must not count."""
    x = rng.normal(size=(len(sizes), max(sizes), width))
    y = rng.normal(size=x.shape[:2]) if kind is REGRESSION else rng.permuted(
        np.tile(np.arange(max(sizes)) % N_CLASSES[kind], (len(sizes), 1))[:, : max(sizes)], axis=1
    )  # fmt: skip
    real = np.arange(max(sizes)) < np.array(sizes)[:, None]
    weight = real / real.sum(1, keepdims=True)
    return Labelled(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(weight))


def _head(name: str, kind: TargetType, reference: Reference) -> float:
    """Two tasks in one batch, one with fewer examples than columns and padded, one with more."""
    rng, learner, learned = np.random.default_rng(1), get_learner(name), _numbers(name, 3)
    sizes = (8, 16)
    support, asked = _rows(rng, sizes, kind, _WIDTH), torch.from_numpy(rng.normal(size=(2, 6, _WIDTH)))
    compare: Any = learner.compare  # type: ignore[attr-defined]
    found = compare(learned, support, asked, kind, N_CLASSES[kind], learner.adaptation())  # type: ignore[attr-defined]
    held = {key.removeprefix("metric."): v.numpy() for key, v in learned.items()}
    expected = [
        reference(held, support.x[t, :n].numpy(), support.y[t, :n].numpy(), asked[t].numpy(), kind)
        for t, n in enumerate(sizes)
    ]
    return relative_error(found.numpy(), np.stack(expected))


def _predictions(name: str, kind: TargetType, reference: Reference) -> float:
    """From the checkpoint's arrays to scores."""
    made = case(name, kind)
    x, asked = (network(made.checkpoint, encoded(made.checkpoint, z)) for z in (made.support.x, made.query.x))
    y, mean, deviation = (
        standardised(made.support.y) if kind is REGRESSION else (made.support.y.astype(np.float64), 0.0, 1.0)
    )
    held = {
        key.removeprefix("network.metric."): a.astype(np.float64) for key, a in made.checkpoint.arrays.items()
    }
    outputs = reference(held, x.astype(np.float32).astype(np.float64), y, asked, kind)
    expected = outputs[:, 0] * deviation + mean if kind is REGRESSION else outputs
    return relative_error(made.scores(name, {}), expected)


def _weighted_rows(n: int) -> float:
    """Ridge regression on rows that differ in weight, one of them without any."""
    rng = np.random.default_rng(4)
    rows, targets, weight = rng.normal(size=(n, _WIDTH)), rng.normal(size=(n, 2)), rng.uniform(0.1, 3, n)
    weight[2] = 0.0
    x, y, shares = (torch.from_numpy(a).unsqueeze(0) for a in (rows, targets, weight / weight.sum()))
    found = ridge_weights(x, y, shares, torch.tensor(0.8, dtype=torch.float64))
    ridge = Ridge(0.8, fit_intercept=False, solver="cholesky")
    ridge.fit(rows, targets, sample_weight=weight / weight[weight > 0].mean())
    return relative_error(found[0].numpy().T, ridge.coef_)


def _embedded(batch: TypedBatch, embed: Callable[[torch.Tensor], torch.Tensor]) -> TypedBatch:
    support, query = batch.episodes.support, batch.episodes.query
    episodes = EpisodeBatch(replace(support, x=embed(support.x)), replace(query, x=embed(query.x)))
    return replace(batch, episodes=episodes)


def _meta_gradient(name: str) -> float:
    """Along random directions in all that is learned, summed over tasks of every type; smooth networks."""
    learner: Any = get_learner(name)
    structure, rng = MLP(4, (6,), _WIDTH), np.random.default_rng(2)
    start = {**initial_parameters(structure, 0, dtype=torch.float64), **_numbers(name, 3)}
    batches = [
        TypedBatch(kind, n, EpisodeBatch(_rows(rng, (7, 13), kind, 4), _rows(rng, (5, 4), kind, 4)))
        for kind, n in N_CLASSES.items()
    ]

    def loss(parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        beside = {key: v for key, v in parameters.items() if key.startswith("metric.")}
        trunk = {key: v for key, v in parameters.items() if key not in beside}
        embed = partial(functional_call, structure, trunk)
        return torch.stack([learner.losses(beside, _embedded(b, embed), {}).sum() for b in batches]).sum()

    leaves = {key: v.clone().requires_grad_() for key, v in start.items()}
    gradient = torch.autograd.grad(loss(leaves), list(leaves.values()))
    found, expected = [], []
    for _ in range(8):
        along = {key: torch.from_numpy(rng.normal(size=v.shape)) for key, v in start.items()}
        found.append(sum(float((g * v).sum()) for g, v in zip(gradient, along.values(), strict=True)))
        values = [loss({key: v + h * _STEP * along[key] for key, v in start.items()}) for h in (-2, -1, 1, 2)]
        expected.append(float(values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * _STEP))
    return relative_error(found, expected)


CHECKS: tuple[Check, ...] = (
    *(
        Check(name, f"head, {kind}", package, 1e-10, partial(_head, name, kind, reference))
        for name, references in REFERENCES.items()
        for package, reference in references
        for kind in N_CLASSES
    ),
    *(
        Check(
            name,
            f"scores, {kind}",
            references[0][0],
            _SCORES,
            partial(_predictions, name, kind, references[0][1]),
        )
        for name, references in REFERENCES.items()
        for kind in N_CLASSES
    ),
    *(
        Check(name, "meta-gradient", "finite differences", 1e-8, partial(_meta_gradient, name))
        for name in REFERENCES
    ),
    Check("r2d2", "weighted rows, n < d", "scikit-learn Ridge", 1e-10, partial(_weighted_rows, 6)),
    Check("r2d2", "weighted rows, n > d", "scikit-learn Ridge", 1e-10, partial(_weighted_rows, 20)),
)
