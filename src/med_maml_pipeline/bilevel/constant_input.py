"""The inner loop without per-task copies of a linear first layer: exact, and many times faster.

Within a task the input of the first layer never changes. One step of gradient descent with rate ``r`` moves
its weights by ``-r δᵀ Xₛ`` and its bias by ``-r Σ δ``, where ``δ`` ``[s, h]`` is the gradient with respect to
the support's pre-activations. So any row's pre-activations move by ``-r (X Xₛᵀ + 1) δ``: a small Gram
matrix, constant and without gradient, replaces the wide layer in every step. Momentum and the norm of the
gradient, for clipping, follow from ``δ`` and the Gram matrix too. It holds where weight and bias of that
layer have one rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.inner import (
    InnerLoop,
    Parameters,
    Rates,
    RatesByStep,
    clip_factor,
    rate_of,
    rates_at,
)
from med_maml_pipeline.bilevel.layers import WeightGradient, evaluate_tail, linear_layer, move, tail_of_each
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["adapt", "applies", "query_outputs"]

_FIRST = "first."


def applies(network: nn.Module, rates: RatesByStep, loop: InnerLoop) -> bool:
    """Whether the path is exact: a perceptron, and one rate for weight and bias of its first layer."""
    if not isinstance(network, MLP):
        return False
    of_steps = [rates_at(rates, step) for step in range(loop.steps)]
    return all(_one_rate(own) for own in of_steps)


@dataclass(frozen=True)
class _Gradients:
    """Of one step: at the first layer's outputs, of further linear layers, and of all other parameters."""

    first: Tensor
    linear: dict[str, WeightGradient]
    plain: dict[str, Tensor]

    def square_norms(self, gram: Tensor) -> Tensor:
        """Squared norm ``[t]`` of each task's whole gradient; ``gram`` is that of its support."""
        squares = ((self.first @ self.first.mT) * gram).sum((1, 2))
        for gradient in self.linear.values():
            squares = squares + gradient.square_norms()
        for value in self.plain.values():
            squares = squares + value.square().sum(1)
        return squares

    def scaled(self, factor: Tensor) -> _Gradients:
        """Every gradient times its task's factor ``[t]``."""
        linear = {path: own.scaled(factor) for path, own in self.linear.items()}
        plain = {name: value * factor[:, None] for name, value in self.plain.items()}
        return _Gradients(self.first * factor[:, None, None], linear, plain)

    def after(self, last: _Gradients, momentum: float) -> _Gradients:
        """The direction of a step with momentum whose predecessor went along ``last``."""
        linear = {path: own.after(last.linear[path], momentum) for path, own in self.linear.items()}
        plain = {name: value + momentum * last.plain[name] for name, value in self.plain.items()}
        return _Gradients(self.first + momentum * last.first, linear, plain)


@dataclass(frozen=True)
class _Descent:
    """Where gradient descent has led ``t`` tasks.

    Attributes:
        pull: ``[t, s, h]``: summed rate times gradients at the support's pre-activations; the first layer's
            weights have moved by ``-pullᵀ Xₛ``.
        tail: Parameters of all further layers by full name, with a leading task dimension once moved.
    """

    pull: Tensor
    tail: Parameters


def query_outputs(
    network: MLP,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
) -> Tensor:
    """Outputs ``[t, q, c]`` on the queries after the inner loop, differentiable in parameters and rates."""
    support = batch.support
    start = _first_layer(parameters, support.x)
    descent = _descend(network, parameters, support, start, loss, rates, loop)
    # The mean of centred features is taken under the adapted parameters: the support comes along.
    asked = torch.cat([support.x, batch.query.x], dim=1) if loop.centred else batch.query.x
    query = _first_layer(parameters, asked)
    if loop.steps:
        query = torch.baddbmm(query, _gram(asked, support.x), descent.pull, alpha=-1)
    if not loop.centred:
        return evaluate_tail(network, descent.tail, query).outputs
    centre = F.pad(support.weight, (0, batch.query.x.shape[1]))
    return evaluate_tail(network, descent.tail, query, centre).outputs[:, support.x.shape[1] :]


def adapt(
    network: MLP,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
) -> Parameters:
    """Parameters of one task after the inner loop, the first layer written out.

    Args:
        network: The structure.
        parameters: Leaves where the task starts.
        support: Its support set, with a leading task dimension of 1.
        loss: Loss per task.
        rates: Learning rates.
        loop: Steps, momentum, clipping.
    """
    start = _first_layer(parameters, support.x)
    descent = _descend(network, parameters, support, start, loss, rates, loop)
    pull = descent.pull[0]
    return {
        "first.weight": parameters["first.weight"] - pull.T @ support.x[0],
        "first.bias": parameters["first.bias"] - pull.sum(0),
        **{
            name: value if value.dim() == parameters[name].dim() else value[0]
            for name, value in descent.tail.items()
        },
    }


def _one_rate(rates: Rates) -> bool:
    own = isinstance(rates, Mapping) and any(name.startswith(_FIRST) for name in rates)
    first = rate_of(rates, "first.weight")
    return not own and not (isinstance(first, Tensor) and first.dim() > 0)


def _descend(
    network: MLP,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    start: Tensor,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
) -> _Descent:
    tail = tail_of_each(network, parameters, len(start))
    pull, gram, last = torch.zeros_like(start), _gram(support.x, support.x), None
    for step in range(loop.steps):
        own = rates_at(rates, step)
        z = start if step == 0 else torch.baddbmm(start, gram, pull, alpha=-1)
        found = _gradients(network, tail, z, support, loss, loop)
        if loop.clip is not None:
            found = found.scaled(clip_factor(found.square_norms(gram), loop.clip))
        if loop.momentum and last is not None:
            found = found.after(last, loop.momentum)
        last = found
        pull = pull + rate_of(own, "first.weight") * found.first
        tail = move(tail, found.linear, found.plain, own)
    return _Descent(pull, tail)


def _gradients(
    network: MLP, tail: Parameters, z: Tensor, support: Labelled, loss: TaskLoss, loop: InnerLoop
) -> _Gradients:
    evaluated = evaluate_tail(network, tail, z, support.weight if loop.centred else None)
    losses = loss(evaluated.outputs, support.y, support.weight)
    plain = {name: value for name, value in tail.items() if name.rpartition(".")[0] not in evaluated.leaving}
    wanted = (z, *evaluated.leaving.values(), *plain.values())
    first, *others = torch.autograd.grad(losses.sum(), wanted, create_graph=not loop.first_order)
    deltas = dict(zip(evaluated.leaving, others, strict=False))
    entering = evaluated.entering
    if loop.first_order:
        entering = {path: value.detach() for path, value in entering.items()}
    linear = {path: WeightGradient(delta, entering[path]) for path, delta in deltas.items()}
    return _Gradients(first, linear, dict(zip(plain, others[len(linear) :], strict=True)))


def _first_layer(parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """``x`` ``[t, n, f]`` through the first layer, ``[t, n, h]``: one product for all rows of all tasks."""
    return linear_layer(x, parameters["first.weight"], parameters["first.bias"])


def _gram(left: Tensor, right: Tensor) -> Tensor:
    return (left @ right.mT).add_(1.0)
