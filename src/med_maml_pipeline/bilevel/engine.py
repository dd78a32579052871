"""The inner loop for any network: the fastest path that is exact for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import checkpointed, constant_input, conv4, reference, vmapped
from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.centring import centre_in_bias, loss_on
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, RatesByStep
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.networks.conv import Conv4
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["Path", "adapt", "descend", "path_for", "query_losses", "query_outputs"]


class Path(StrEnum):
    """How the inner loop is computed; all give the same numbers, to rounding.

    Attributes:
        REFERENCE: The textbook's loop, task by task, for any network.
        CHECKPOINTED: The same with one step's graph in memory at a time.
        CONSTANT_INPUT: Perceptrons without per-task copies of their first layer.
        CONVOLUTION: `Conv4` on the CPU, its second derivatives written out by hand.
        VMAPPED: Networks for pictures on a GPU, all tasks as one program.

    The last two give losses with their gradients; outputs alone go the reference's way.
    """

    REFERENCE = "reference"
    CHECKPOINTED = "checkpointed"
    CONSTANT_INPUT = "constant_input"
    CONVOLUTION = "convolution"
    VMAPPED = "vmapped"


def path_for(
    network: nn.Module, parameters: Mapping[str, Tensor], rates: RatesByStep, loop: InnerLoop, x: Tensor
) -> Path:
    """The path that `query_losses`, `query_outputs` and `adapt` take of their own accord for inputs ``x``."""
    if constant_input.applies(network, rates, loop):
        return Path.CONSTANT_INPUT
    if conv4.applies(network, parameters, loop, x):
        return Path.CONVOLUTION
    return Path.VMAPPED if x.is_cuda else Path.REFERENCE


def query_losses(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    path: Path | None = None,
) -> Tensor:
    """Losses ``[t]`` on the queries of ``t`` tasks after their inner loops.

    Differentiable with respect to parameters and rates, through the inner loop unless it is of first order.

    Args:
        network: The structure.
        parameters: Where every task starts; each must require a gradient. Those of the head may have a
            leading task dimension: a start of each task's own.
        batch: Support and query sets.
        loss: Loss per task, inner and outer.
        rates: Learning rates of the inner loop.
        loop: Steps, momentum, clipping, order, centring.
        path: How to compute it; None takes the fastest one that is exact (see `path_for`).
    """
    path = path or path_for(network, parameters, rates, loop, batch.support.x)
    if path is not Path.CONSTANT_INPUT and _own_heads(network, parameters):
        each = [
            query_losses(network, start, batch[task : task + 1], loss, rates, loop, path=path)
            for task, start in enumerate(_starts(network, parameters))
        ]
        return torch.cat(each)
    if path is Path.CONVOLUTION:
        return conv4.query_losses(cast(Conv4, network), parameters, batch, loss, rates, loop)
    if path is Path.VMAPPED:
        return vmapped.query_losses(network, parameters, batch, loss, rates, loop)
    outputs = query_outputs(network, parameters, batch, loss, rates, loop, path=path)
    return loss(outputs, batch.query.y, batch.query.weight)


def query_outputs(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    path: Path | None = None,
) -> Tensor:
    """Outputs ``[t, q, c]`` on the queries after the inner loops; arguments as for `query_losses`."""
    path = path or path_for(network, parameters, rates, loop, batch.support.x)
    if path is Path.CONSTANT_INPUT:
        return constant_input.query_outputs(cast(MLP, network), parameters, batch, loss, rates, loop)
    descend = checkpointed.inner_loop if path is Path.CHECKPOINTED else reference.inner_loop
    own = _own_heads(network, parameters)
    starts = _starts(network, parameters) if own else [dict(parameters)] * len(batch)
    outputs = []
    for task, (x, start) in enumerate(zip(batch.query.x, starts, strict=True)):
        adapted = descend(_support_loss(network, batch.support, task, loss, loop), start, rates, loop)
        if loop.centred:
            adapted = centre_in_bias(network, adapted, batch.support[task : task + 1])
        outputs.append(functional_call(network, adapted, (x,)))
    return torch.stack(outputs)


def adapt(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    path: Path | None = None,
) -> Parameters:
    """Adapts to the support set of one task, to parameters that are read as they are.

    What centring takes from the features goes into the head's bias. Arguments as for `descend`.
    """
    adapted = descend(network, parameters, support, loss, rates, loop, path=path)
    if not loop.centred:
        return adapted
    with torch.no_grad():
        return centre_in_bias(network, adapted, support)


def descend(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    path: Path | None = None,
) -> Parameters:
    """The inner loop of one task; the result is detached and shares no memory to write to.

    Args:
        network: The structure.
        parameters: Where the task starts; left as they are.
        support: The support set, with a leading task dimension of 1.
        loss: Loss per task.
        rates: Learning rates.
        loop: Steps, momentum, clipping, centring; its order is of no consequence.
        path: How to compute it; None takes the fastest one that is exact.
    """
    path = path or path_for(network, parameters, rates, loop, support.x)
    if path is Path.CONVOLUTION:
        return conv4.adapt(cast(Conv4, network), parameters, support, loss, rates, loop)
    leaves = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
    plain = replace(loop, first_order=True)
    if path is Path.CONSTANT_INPUT:
        adapted = constant_input.adapt(cast(MLP, network), leaves, support, loss, rates, plain)
    else:
        adapted = reference.inner_loop(_support_loss(network, support, 0, loss, loop), leaves, rates, plain)
    return {name: value.detach() for name, value in adapted.items()}


def _support_loss(
    network: nn.Module, support: Labelled, task: int, loss: TaskLoss, loop: InnerLoop
) -> reference.SupportLoss:
    rows = (support.x[task], support.y[task], support.weight[task])
    return lambda parameters: loss_on(network, parameters, rows, rows, loss, loop)


def _own_heads(network: nn.Module, parameters: Mapping[str, Tensor]) -> bool:
    """Whether each task has a head of its own."""
    bias = parameters.get(f"{network.head_path}.bias")
    return bias is not None and bias.dim() == 2


def _starts(network: nn.Module, parameters: Mapping[str, Tensor]) -> list[Parameters]:
    """Parameters of every task, where heads are their own."""
    names = [f"{network.head_path}.{part}" for part in ("weight", "bias")]
    heads = zip(*(parameters[name] for name in names), strict=True)
    return [{**parameters, **dict(zip(names, head, strict=True))} for head in heads]
