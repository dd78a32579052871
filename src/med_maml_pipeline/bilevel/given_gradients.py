"""Losses of tasks whose gradients are computed elsewhere than by automatic differentiation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["each_with", "given_gradients"]


def given_gradients(
    losses: Tensor, gradients: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
) -> Tensor:
    """The losses ``[t]``, with these gradients by the parameters of each task.

    Args:
        losses: ``[t]``.
        gradients: ``[t, ...]`` by name.
        parameters: ``[t, ...]`` by the same names, see `each_with`.
    """
    found: Tensor = _Given.apply(
        losses, len(gradients), *gradients.values(), *(parameters[n] for n in gradients)
    )
    return found


def each_with(parameters: Mapping[str, Tensor], tasks: int) -> dict[str, Tensor]:
    """Parameters that all tasks share as parameters of each; their gradients add up over the tasks."""
    return {name: value.expand(tasks, *value.shape) for name, value in parameters.items()}


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
