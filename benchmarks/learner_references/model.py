"""Model-based learners against NumPy and PyTorch's own layers; their meta-gradients against differences."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional as F

from learner_references.by_hand import Matrix, case, encoded, network, standardised
from learner_references.check import Check, relative_error
from learner_references.model_formulas import HEADS, REFERENCES, SPAN, outputs
from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.networks import Attention, Snail, initial_parameters
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["CHECKS"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
N_CLASSES = {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}
FACTS = {"embedding": 8, "heads": HEADS, "layers": 1, "channels": 3, "span": SPAN}
_PREFIX = "metric.process."
_SCORES = 2e-7  # predictions are stored in single precision
_WIDTH, _STEP = 5, 2e-3


def _numbers(name: str) -> dict[str, torch.Tensor]:
    """The process moved from where it starts, where its last layer is zero."""
    rng = np.random.default_rng(3)
    held = get_learner(name).beside(_WIDTH, FACTS, 0)  # type: ignore[attr-defined]
    return {key: v.double() + torch.from_numpy(rng.normal(0, 0.2, v.shape)) for key, v in held.items()}


def _held(numbers: Mapping[str, Any], prefix: str = _PREFIX) -> dict[str, Matrix]:
    return {
        key.removeprefix(prefix): np.asarray(v, dtype=np.float64)
        for key, v in numbers.items()
        if key.startswith(prefix)
    }


def _rows(rng: np.random.Generator, sizes: tuple[int, ...], kind: TargetType) -> Labelled:
    """Sets of different sizes; padding is noise that must not count."""
    shape = (len(sizes), max(sizes))
    y = rng.normal(size=shape)
    if kind is not REGRESSION:
        y = np.stack([
            np.concatenate([rng.permutation(np.arange(n) % N_CLASSES[kind]), np.zeros(max(sizes) - n, int)])
            for n in sizes
        ])  # fmt: skip
    real = np.arange(max(sizes)) < np.array(sizes)[:, None]
    x = torch.from_numpy(rng.normal(size=(*shape, _WIDTH)))
    return Labelled(x, torch.from_numpy(y), torch.from_numpy(real / real.sum(1, keepdims=True)))


def _process(name: str, kind: TargetType) -> float:
    """Two tasks of different size in one batch."""
    rng, learner, numbers, sizes = np.random.default_rng(1), get_learner(name), _numbers(name), (7, 19)
    support, asked = _rows(rng, sizes, kind), torch.from_numpy(rng.normal(size=(2, 4, _WIDTH)))
    found = learner.outputs(numbers, support, asked, kind, N_CLASSES[kind], FACTS)  # type: ignore[attr-defined]
    expected = [
        outputs(REFERENCES[name], _held(numbers), support.x[t, :n].numpy(), support.y[t, :n].numpy(),
                asked[t].numpy(), kind)
        for t, n in enumerate(sizes)
    ]  # fmt: skip
    return relative_error(found.numpy(), np.stack(expected))


def _predictions(name: str, kind: TargetType) -> float:
    """From the checkpoint's arrays to scores; a few queries, since the reference takes them one by one."""
    made, few = case(name, kind), 3
    x, asked = (
        network(made.checkpoint, encoded(made.checkpoint, z)).astype(np.float32).astype(np.float64)
        for z in (made.support.x, made.query.x[:few])
    )
    y, mean, deviation = (
        standardised(made.support.y) if kind is REGRESSION else (made.support.y.astype(np.float64), 0.0, 1.0)
    )
    held = _held(made.checkpoint.arrays, f"network.{_PREFIX}")
    orders = [np.arange(len(y))]
    if name == "snail":  # the mean over orders of the rows as sorted by content
        content = sorted(orders[0], key=lambda i: (*x[i], y[i]))
        drawn = np.random.default_rng(12)
        orders = [np.array(content)[drawn.permutation(len(y))] for _ in range(4)]
    each = [outputs(REFERENCES[name], held, x[at], y[at], asked, kind) for at in orders]
    expected = np.mean(each, axis=0)
    if kind is REGRESSION:
        expected = expected[:, 0] * deviation + mean
    return relative_error(made.scores(name, {})[:few], expected)


def _meta_gradient(name: str) -> float:
    """Along random directions in all numbers of the process, summed over tasks of every type."""
    learner: Any = get_learner(name)
    rng, start = np.random.default_rng(2), _numbers(name)
    batches = [
        TypedBatch(kind, n, EpisodeBatch(_rows(rng, (5, 8), kind), _rows(rng, (6, 4), kind)))
        for kind, n in N_CLASSES.items()
    ]

    def loss(numbers: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([learner.losses(numbers, batch, FACTS).sum() for batch in batches]).sum()

    leaves = {key: v.clone().requires_grad_() for key, v in start.items()}
    gradient = torch.autograd.grad(loss(leaves), list(leaves.values()))
    found, expected = [], []
    for _ in range(6):
        drawn = {key: torch.from_numpy(rng.normal(size=v.shape)) for key, v in start.items()}
        length = sum(float(v.square().sum()) for v in drawn.values()) ** 0.5
        along = {key: v / length for key, v in drawn.items()}
        found.append(sum(float((g * v).sum()) for g, v in zip(gradient, along.values(), strict=True)))
        values = [
            float(loss({key: v + h * _STEP * along[key] for key, v in start.items()})) for h in (-2, -1, 1, 2)
        ]
        expected.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * _STEP))
    return relative_error(found, expected)


def _attention() -> float:
    """PyTorch's multi-head attention with a padding mask."""
    rng, width = np.random.default_rng(5), 8
    module = Attention(width, HEADS)
    held = initial_parameters(module, 0, dtype=torch.float64)
    asked, keys, values = (torch.from_numpy(rng.normal(size=(3, n, width))) for n in (4, 6, 6))
    real = torch.from_numpy(np.arange(6) < np.array([[2], [6], [3]]))
    found = functional_call(module, held, (asked, keys, values, real / real.sum(1, keepdim=True)))
    expected, _ = F.multi_head_attention_forward(
        asked.transpose(0, 1), keys.transpose(0, 1), values.transpose(0, 1), width, HEADS, None,
        torch.cat([held[f"{part}.bias"] for part in ("query", "key", "value")]), None, None, False, 0.0,
        held["out.weight"], held["out.bias"], use_separate_proj_weight=True, key_padding_mask=~real,
        q_proj_weight=held["query.weight"], k_proj_weight=held["key.weight"],
        v_proj_weight=held["value.weight"],
    )  # fmt: skip
    return relative_error(found.numpy(), expected.transpose(0, 1).numpy())


def _convolution(dilation_at: int) -> float:
    """PyTorch's dilated convolution over support and query, padded in front."""
    rng, n = np.random.default_rng(6), 5
    module: Any = Snail(_WIDTH, 3, 8, 4, SPAN).layers[dilation_at]
    held = initial_parameters(module, 0, dtype=torch.float64)
    wide = held["taps.weight"].shape[1] // 2
    support, query = (torch.from_numpy(rng.normal(size=(1, size, wide))) for size in (n, 1))
    real = torch.ones(1, n, dtype=torch.float64)
    found = functional_call(module, held, ((support, query), real))
    kernel = torch.stack(held["taps.weight"].split(wide, dim=1), dim=-1)
    padded = F.pad(torch.cat([support, query], dim=1).transpose(1, 2), (module.dilation, 0))
    both = F.conv1d(padded, kernel, held["taps.bias"], dilation=module.dilation).transpose(1, 2)
    value, gate = both.chunk(2, dim=-1)
    expected = value.tanh() * gate.sigmoid()
    return relative_error(torch.cat(found, dim=1)[..., wide:].numpy(), expected.numpy())


def _order(name: str) -> float:
    """A support that is turned round gives the same outputs."""
    rng, learner, numbers = np.random.default_rng(7), get_learner(name), _numbers(name)
    support, asked = _rows(rng, (11,), MULTICLASS), torch.from_numpy(rng.normal(size=(1, 4, _WIDTH)))
    turned = Labelled(support.x.flip(1), support.y.flip(1), support.weight.flip(1))
    one, other = (
        learner.outputs(numbers, rows, asked, MULTICLASS, 3, FACTS).numpy()  # type: ignore[attr-defined]
        for rows in (support, turned)
    )
    return relative_error(one, other)


CHECKS: tuple[Check, ...] = (
    *(
        Check(name, f"process, {kind}", "NumPy", 1e-10, partial(_process, name, kind))
        for name in REFERENCES
        for kind in N_CLASSES
    ),
    *(
        Check(name, f"scores, {kind}", "NumPy", _SCORES, partial(_predictions, name, kind))
        for name in REFERENCES
        for kind in N_CLASSES
    ),
    *(
        Check(name, "meta-gradient", "finite differences", 1e-8, partial(_meta_gradient, name))
        for name in REFERENCES
    ),
    *(
        Check(name, "order of the support", "itself, turned round", 1e-12, partial(_order, name))
        for name in ("cnp", "anp")
    ),
    Check("anp", "attention", "torch.nn.functional", 1e-12, _attention),
    Check("snail", "convolution, dilation 1", "torch.nn.functional", 1e-12, partial(_convolution, 1)),
    Check("snail", "convolution, dilation 4", "torch.nn.functional", 1e-12, partial(_convolution, 3)),
    Check("snail", "convolution, dilation 8", "torch.nn.functional", 1e-12, partial(_convolution, 4)),
)
