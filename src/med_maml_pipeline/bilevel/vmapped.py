"""The inner loops of many tasks as one program, for any network: few launches on a GPU.

`torch.func.vmap` runs one task's meta-gradient for all tasks at once, and it is the outermost transform: an
outer derivative taken over ``vmap`` of an inner gradient is silently wrong for batch and instance
normalisation (PyTorch 2.13). So the gradients are there as soon as the losses are; the way back only adds
them up over the tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import grad, grad_and_value, vmap

from med_maml_pipeline.bilevel.batch import EpisodeBatch
from med_maml_pipeline.bilevel.centring import Rows, loss_on
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, RatesByStep, rates_at
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.bilevel.reference import moved

__all__ = ["query_losses"]


def query_losses(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
) -> Tensor:
    """Losses ``[t]`` on the queries after the inner loops, differentiable once in parameters and rates.

    Args:
        network: The structure; it must not draw random numbers.
        parameters: Where every task starts.
        batch: Support and query sets.
        loss: Loss per task.
        rates: Learning rates of the inner loop.
        loop: Steps, momentum, clipping, order.
    """
    own = [rates_at(rates, step) for step in range(loop.steps)]
    given = [*parameters.values(), *(v for one in own if isinstance(one, Mapping) for v in one.values())]
    tensors = list({id(tensor): tensor for tensor in given}.values())
    place = {id(tensor): at for at, tensor in enumerate(tensors)}

    def filled(named: Mapping[str, Tensor], values: Sequence[Tensor]) -> Parameters:
        return {name: values[place[id(tensor)]] for name, tensor in named.items()}

    def of_task(values: tuple[Tensor, ...], support: Rows, query: Rows) -> Tensor:
        def on(rows: Rows, current: Parameters) -> Tensor:
            return loss_on(network, current, rows, support, loss, loop)

        current, velocity = filled(parameters, values), None
        for one in own:
            found = grad(lambda now: on(support, now))(current)
            if loop.first_order:
                found = {name: gradient.detach() for name, gradient in found.items()}
            step_rates = filled(one, values) if isinstance(one, Mapping) else one
            current, velocity = moved(current, found, velocity, step_rates, loop)
        return on(query, current)

    episodes = [(rows.x, rows.y, rows.weight) for rows in (batch.support, batch.query)]
    losses: Tensor = _Losses.apply(of_task, episodes, *tensors)
    return losses


class _Losses(torch.autograd.Function):
    """Losses of all tasks, with each task's gradients kept from the way forward."""

    @staticmethod
    def forward(ctx: Any, of_task: Any, episodes: Sequence[Rows], *tensors: Tensor) -> Tensor:
        values = tuple(tensor.detach() for tensor in tensors)
        gradients, losses = vmap(grad_and_value(of_task), in_dims=(None, 0, 0))(values, *episodes)
        ctx.save_for_backward(*gradients)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        found = [torch.tensordot(upstream[0].to(each.dtype), each, 1) for each in ctx.saved_tensors]
        return None, None, *found
