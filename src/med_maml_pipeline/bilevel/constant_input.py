"""The inner loop without per-task copies of a linear first layer: exact, and many times faster.

Within a task the input of the first layer never changes. One step of gradient descent with rate ``r`` moves
its weights by ``-r δᵀ Xₛ`` and its bias by ``-r Σ δ``, where ``δ`` ``[s, h]`` is the gradient with respect to
the support's pre-activations. So any row's pre-activations move by ``-r (X Xₛᵀ + 1) δ``: a small Gram
matrix, constant and without gradient, replaces the wide layer in every step. It holds for plain gradient
descent with one rate for weight and bias of that layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional as F

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.bilevel.reference import Parameters, Rates, rate_of
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["Descent", "adapted_parameters", "descend", "pre_activations", "query_outputs"]

_TAIL = "tail."


@dataclass(frozen=True)
class Descent:
    """Where gradient descent has led ``t`` tasks.

    Attributes:
        pull: ``[t, s, h]``: rate times the summed gradients at the support's pre-activations; the first
            layer's weights have moved by ``-pullᵀ Xₛ``.
        tail: Adapted parameters of all further layers, each with a leading task dimension.
    """

    pull: Tensor
    tail: Parameters


def pre_activations(parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """First layer of ``x`` ``[t, n, f]`` as ``[t, n, h]``: one product for all rows of all tasks."""
    z = F.linear(x.flatten(0, 1), parameters["first.weight"], parameters["first.bias"])
    return z.unflatten(0, x.shape[:2])


def descend(
    network: MLP,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    start: Tensor,
    loss: TaskLoss,
    rates: Rates,
    *,
    steps: int,
    first_order: bool = False,
) -> Descent:
    """Runs the inner loop of all tasks at once.

    Args:
        network: The structure.
        parameters: Where every task starts; ``tail.…`` must require gradients.
        support: Support sets.
        start: ``[t, s, h]`` pre-activations of the support at ``parameters``; must require a gradient.
        loss: Loss per task.
        rates: One rate, or one per layer.
        steps: Number of steps.
        first_order: Treat the inner gradients as constants.
    """
    n_tasks = len(support.x)
    with torch.no_grad():
        gram = _gram(support.x, support.x)
    tail = {
        name.removeprefix(_TAIL): value.expand(n_tasks, *value.shape)
        for name, value in parameters.items()
        if name.startswith(_TAIL)
    }
    pull = torch.zeros_like(start)
    first_rate = rate_of(rates, "first.weight")
    for step in range(steps):
        z = start if step == 0 else start - gram @ pull
        losses = loss(_tail_outputs(network, tail, z), support.y, support.weight)
        delta, *gradients = torch.autograd.grad(
            losses.sum(), (z, *tail.values()), create_graph=not first_order
        )
        pull = pull + first_rate * delta
        tail = {
            name: value - rate_of(rates, _TAIL + name) * gradient
            for (name, value), gradient in zip(tail.items(), gradients, strict=True)
        }
    return Descent(pull, tail)


def query_outputs(
    network: MLP,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: Rates,
    *,
    steps: int,
    first_order: bool = False,
) -> Tensor:
    """Outputs ``[t, q, c]`` on the queries after the inner loop, differentiable in parameters and rates."""
    n_support = batch.support.x.shape[1]
    rows = torch.cat([batch.support.x, batch.query.x], dim=1)
    z = pre_activations(parameters, rows)
    start, query = z[:, :n_support], z[:, n_support:]
    descent = descend(
        network, parameters, batch.support, start, loss, rates, steps=steps, first_order=first_order
    )
    with torch.no_grad():
        gram = _gram(batch.query.x, batch.support.x)
    return _tail_outputs(network, descent.tail, query - gram @ descent.pull)


def adapted_parameters(parameters: Mapping[str, Tensor], x: Tensor, descent: Descent) -> Parameters:
    """All parameters of one adapted task, the first layer written out.

    Args:
        parameters: Where the descent started.
        x: ``[1, s, f]`` support inputs.
        descent: Of that one task.
    """
    pull = descent.pull[0]
    return {
        "first.weight": parameters["first.weight"] - pull.T @ x[0],
        "first.bias": parameters["first.bias"] - pull.sum(0),
        **{_TAIL + name: value[0] for name, value in descent.tail.items()},
    }


def _gram(left: Tensor, right: Tensor) -> Tensor:
    return left @ right.transpose(1, 2) + 1.0


def _tail_outputs(network: MLP, tail: Parameters, z: Tensor) -> Tensor:
    def one_task(parameters: Parameters, rows: Tensor) -> Tensor:
        outputs: Tensor = functional_call(network.tail, parameters, (rows,))
        return outputs

    outputs: Tensor = vmap(one_task)(tail, z)
    return outputs
