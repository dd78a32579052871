"""The inner loop as the textbook writes it: the implementation that the others are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.inner import (
    InnerLoop,
    Parameters,
    Rates,
    RatesByStep,
    clip_factor,
    rate_of,
    rates_at,
)

__all__ = ["SupportLoss", "inner_loop", "inner_step", "moved"]

SupportLoss = Callable[[Parameters], Tensor]
"""Support loss of one task as a function of all parameters."""


def inner_loop(
    loss: SupportLoss, parameters: Mapping[str, Tensor], rates: RatesByStep, loop: InnerLoop
) -> Parameters:
    """Gradient descent on a support loss, differentiable with respect to ``parameters`` and ``rates``.

    The inner loop of MAML (Finn et al. 2017). Nothing is changed in place.

    Args:
        loss: Support loss.
        parameters: Where the descent starts; each must require a gradient.
        rates: Learning rates.
        loop: Steps, momentum, clipping, order.

    Returns:
        Adapted parameters.
    """
    adapted, velocity = dict(parameters), None
    for step in range(loop.steps):
        adapted, velocity = inner_step(loss, adapted, velocity, rates_at(rates, step), loop)
    return adapted


def inner_step(
    loss: SupportLoss,
    parameters: Parameters,
    velocity: Parameters | None,
    rates: Rates,
    loop: InnerLoop,
) -> tuple[Parameters, Parameters | None]:
    """One step: the parameters it leads to, and the velocity (None without momentum).

    Args:
        loss: Support loss.
        parameters: Where the step starts; each must require a gradient.
        velocity: Of the step before; None at the first.
        rates: Of this step.
        loop: Momentum, clipping, order.
    """
    found = torch.autograd.grad(
        loss(parameters), tuple(parameters.values()), create_graph=not loop.first_order
    )
    return moved(parameters, dict(zip(parameters, found, strict=True)), velocity, rates, loop)


def moved(
    parameters: Parameters,
    gradients: Parameters,
    velocity: Parameters | None,
    rates: Rates,
    loop: InnerLoop,
) -> tuple[Parameters, Parameters | None]:
    """Where a step along ``gradients`` leads, clipped and with momentum; else as `inner_step`."""
    direction = gradients
    if loop.clip is not None:
        squares = torch.stack([gradient.square().sum() for gradient in gradients.values()]).sum()
        factor = clip_factor(squares, loop.clip)
        direction = {name: factor * gradient for name, gradient in gradients.items()}
    if velocity is not None:
        direction = {name: loop.momentum * velocity[name] + value for name, value in direction.items()}
    led = {name: value - rate_of(rates, name) * direction[name] for name, value in parameters.items()}
    return led, direction if loop.momentum else None
