"""Losses of tasks whose gradients are computed elsewhere than by automatic differentiation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from med_maml_pipeline.bilevel.batch import EpisodeBatch
from med_maml_pipeline.bilevel.inner import Parameters
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["given_gradients", "of_each_task"]


def given_gradients(
    losses: Tensor, gradients: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
) -> Tensor:
    """The losses ``[t]``, with these gradients by the parameters of each task.

    Args:
        losses: ``[t]``.
        gradients: ``[t, ...]`` by name.
        parameters: ``[t, ...]`` by the same names, see `of_each_task`.
    """
    found: Tensor = _Given.apply(
        losses, len(gradients), *gradients.values(), *(parameters[n] for n in gradients)
    )
    return found


def of_each_task(
    network: nn.Module, parameters: Mapping[str, Tensor], batch: EpisodeBatch
) -> tuple[Parameters, EpisodeBatch]:
    """Shared parameters as parameters ``[t, ...]`` of each task; their gradients add up over the tasks.

    A perceptron that is wider than a task has rows gets them, and its inputs, in a basis of the task's rows:
    all gradients of the first layer lie in their span, and an orthonormal basis changes no length. So descent
    goes the same way with fewer numbers, as long as one rate holds for the whole layer.

    Args:
        network: The structure.
        parameters: Of all tasks.
        batch: Support and query sets; inputs of the result are those that fit the result's parameters.
    """
    each = {name: value.expand(len(batch), *value.shape) for name, value in parameters.items()}
    support, query = batch.support, batch.query
    rows = torch.cat([support.x, query.x], dim=1)
    if not isinstance(network, MLP) or rows.shape[1] >= rows.shape[2]:
        return each, batch
    basis, _ = torch.linalg.qr(rows.mT)
    within = EpisodeBatch(replace(support, x=support.x @ basis), replace(query, x=query.x @ basis))
    return {**each, "first.weight": parameters["first.weight"] @ basis}, within


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, losses: Tensor, n: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[:n])
        return losses.detach().clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        found = [
            value * upstream[0].to(value).view(-1, *[1] * (value.dim() - 1)) for value in ctx.saved_tensors
        ]
        return None, None, *[None] * len(found), *found
