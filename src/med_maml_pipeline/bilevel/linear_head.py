"""The inner loop of a linear head on features that stay as they are: all tasks at once, exact.

Where only the head adapts (ANIL, Raghu et al. 2020), the features of a task are the same in every step. So
the trunk is passed once, and the loop is a few small products of all tasks. The outer derivative reaches the
trunk through the features of support and query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, RatesByStep, clip_factor, rate_of, rates_at
from med_maml_pipeline.bilevel.layers import linear_layer
from med_maml_pipeline.bilevel.losses import TaskLoss

__all__ = ["adapt_heads", "head_query_losses"]


def head_query_losses(
    head: Mapping[str, Tensor],
    features: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
) -> Tensor:
    """Losses ``[t]`` on the queries after the heads' inner loops.

    Differentiable with respect to head, features and rates, through the loop unless it is of first order.

    Args:
        head: Weight ``[c, e]`` and bias ``[c]`` by full name, in this order: where every task starts.
        features: Support and query sets with features ``[t, n, e]`` for inputs.
        loss: Loss per task, inner and outer.
        rates: Learning rates of the inner loop, by full name.
        loop: Steps, momentum, clipping of the head's gradient, order, centring.
    """
    weight, bias = adapt_heads(head, features.support, loss, rates, loop).values()
    outputs = linear_layer(features.query.x, weight, bias)
    return loss(outputs, features.query.y, features.query.weight)


def adapt_heads(
    head: Mapping[str, Tensor], support: Labelled, loss: TaskLoss, rates: RatesByStep, loop: InnerLoop
) -> Parameters:
    """Heads of ``t`` tasks, weight ``[t, c, e]`` and bias ``[t, c]``; arguments as for `head_query_losses`.

    What centring takes from the features is in the bias, so that the heads are for plain features.
    """
    names, values = list(head), [value.expand(len(support), *value.shape) for value in head.values()]
    centre = (support.weight.unsqueeze(1) @ support.x).squeeze(1) if loop.centred else None
    seen = support.x if centre is None else support.x - centre.unsqueeze(1)
    velocity: list[Tensor] | None = None
    for step in range(loop.steps):
        own = rates_at(rates, step)
        direction = _gradients(values, replace(support, x=seen), loss, loop)
        if velocity is not None:
            direction = [loop.momentum * old + new for old, new in zip(velocity, direction, strict=True)]
        velocity = direction if loop.momentum else None
        values = [
            value - rate_of(own, name) * along
            for name, value, along in zip(names, values, direction, strict=True)
        ]
    weight, bias = values
    if centre is not None:
        bias = bias - (weight @ centre.unsqueeze(2)).squeeze(2)
    return dict(zip(names, (weight, bias), strict=True))


def _gradients(values: list[Tensor], support: Labelled, loss: TaskLoss, loop: InnerLoop) -> list[Tensor]:
    """Of each task's support loss with respect to its weight and bias, clipped."""
    losses = loss(linear_layer(support.x, *values), support.y, support.weight)
    found = list(torch.autograd.grad(losses.sum(), values, create_graph=not loop.first_order))
    if loop.first_order:
        found = [gradient.detach() for gradient in found]
    if loop.clip is None:
        return found
    squares = torch.stack([gradient.square().flatten(1).sum(1) for gradient in found]).sum(0)
    factor = clip_factor(squares, loop.clip)
    return [gradient * factor.view(-1, *[1] * (gradient.dim() - 1)) for gradient in found]
