"""The inner loop as the textbook writes it: the implementation that the others are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["Parameters", "Rates", "inner_loop", "rate_of"]

Parameters = dict[str, Tensor]
"""Parameters of a network by name."""

Rates = float | Mapping[str, Tensor]
"""One learning rate, or one scalar rate per layer, by the layer's module path."""


def rate_of(rates: Rates, name: str) -> float | Tensor:
    """Rate of the parameter ``name`` (``tail.head.weight`` belongs to the layer ``tail.head``)."""
    return rates[name.rpartition(".")[0]] if isinstance(rates, Mapping) else rates


def inner_loop(
    loss: Callable[[Parameters], Tensor],
    parameters: Mapping[str, Tensor],
    rates: Rates,
    *,
    steps: int,
    first_order: bool = False,
) -> Parameters:
    """Gradient descent on a support loss, differentiable with respect to ``parameters`` and ``rates``.

    The inner loop of MAML (Finn et al. 2017). Nothing is changed in place.

    Args:
        loss: Support loss of one task as a function of all parameters.
        parameters: Where the descent starts; each must require a gradient.
        rates: Learning rates.
        steps: Number of steps; 0 gives the parameters back.
        first_order: Treat the inner gradients as constants (FOMAML).

    Returns:
        Adapted parameters.
    """
    adapted = dict(parameters)
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(adapted), tuple(adapted.values()), create_graph=not first_order)
        adapted = {
            name: value - rate_of(rates, name) * gradient
            for (name, value), gradient in zip(adapted.items(), gradients, strict=True)
        }
    return adapted
