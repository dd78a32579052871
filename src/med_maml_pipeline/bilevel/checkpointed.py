"""The inner loop of any network with one step's graph in memory at a time.

The plain loop keeps the graph of every inner step until the outer derivative has passed through it, so its
memory grows with the number of steps times the activations. Here the way forward keeps only the parameters
after each step; the way back builds each step's graph again and drops it (gradient checkpointing, Chen et al.
2016; for inner loops Shaban et al. 2019). The numbers are the same, for about a third more time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, Rates, RatesByStep, rates_at
from med_maml_pipeline.bilevel.reference import SupportLoss, inner_step

__all__ = ["inner_loop"]


def inner_loop(
    loss: SupportLoss, parameters: Mapping[str, Tensor], rates: RatesByStep, loop: InnerLoop
) -> Parameters:
    """As `reference.inner_loop`, but differentiable once only and lean."""
    state = _State(dict(parameters), None)
    for step in range(loop.steps):
        own = rates_at(rates, step)
        values = _Step.apply(loss, loop, state, own, *state.tensors(), *_tensors(own))
        state = state.filled(values, momentum=bool(loop.momentum))
    return state.parameters


class _State:
    """Parameters and, with momentum, the velocity between two steps."""

    def __init__(self, parameters: Parameters, velocity: Parameters | None) -> None:
        self.parameters = parameters
        self.velocity = velocity

    def tensors(self) -> tuple[Tensor, ...]:
        return (*self.parameters.values(), *(self.velocity or {}).values())

    def filled(self, values: Sequence[Tensor], *, momentum: bool) -> _State:
        """The same names with other numbers."""
        names, n = list(self.parameters), len(self.parameters)
        velocity = dict(zip(names, values[n : 2 * n], strict=True)) if momentum else None
        return _State(dict(zip(names, values[:n], strict=True)), velocity)


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss: SupportLoss, loop: InnerLoop, state: _State, rates: Rates, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.loss, ctx.loop, ctx.rates = loss, loop, rates
        ctx.momentum = state.velocity is not None
        ctx.names = list(state.parameters)
        ctx.save_for_backward(*tensors)
        return tuple(value.detach() for value in _run(ctx, tensors, again=False)[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        leaves, outputs = _run(ctx, ctx.saved_tensors, again=True)
        moving = [(out, grad) for out, grad in zip(outputs, gradients, strict=True) if out.requires_grad]
        found = torch.autograd.grad(
            [out for out, _ in moving], leaves, [grad for _, grad in moving], allow_unused=True
        )
        return None, None, None, None, *found


def _run(ctx: Any, tensors: Sequence[Tensor], *, again: bool) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """One step from fresh leaves: the leaves, and what the step leads to."""
    n = len(ctx.names)
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        parameters = dict(zip(ctx.names, leaves[:n], strict=True))
        velocity = dict(zip(ctx.names, leaves[n : 2 * n], strict=True)) if ctx.momentum else None
        rates = _with_tensors(ctx.rates, leaves[2 * n if ctx.momentum else n :])
        # Without the outer derivative in view, the inner gradient needs no graph of its own.
        loop = ctx.loop if again else replace(ctx.loop, first_order=True)
        moved, next_velocity = inner_step(ctx.loss, parameters, velocity, rates, loop)
    return leaves, (*moved.values(), *(next_velocity or {}).values())


def _tensors(rates: Rates) -> tuple[Tensor, ...]:
    return tuple(rates.values()) if isinstance(rates, Mapping) else ()


def _with_tensors(rates: Rates, tensors: Sequence[Tensor]) -> Rates:
    return dict(zip(rates, tensors, strict=True)) if isinstance(rates, Mapping) else rates
