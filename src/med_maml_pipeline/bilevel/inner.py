"""How a task descends on its support loss: the settings of the inner loop, and one step of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["InnerLoop", "Parameters", "Rates", "RatesByStep", "clip_factor", "rate_of", "rates_at"]

Parameters = dict[str, Tensor]
"""Parameters of a network by name."""

Rates = float | Mapping[str, Tensor]
"""One learning rate for all, or rates by name: of a layer (its module path) or of a single parameter, as a
scalar or in the parameter's own shape (Meta-SGD, Li et al. 2017). A parameter's own entry wins."""

RatesByStep = Rates | Sequence[Rates]
"""The same rates for every step, or one entry per step (MAML++, Antoniou et al. 2019)."""


@dataclass(frozen=True)
class InnerLoop:
    """Gradient descent on one task's support loss.

    Attributes:
        steps: Number of steps; 0 leaves the parameters as they are. Training and adaptation may differ.
        momentum: Share of the last step's direction that is kept (Polyak 1964), as in ``torch.optim.SGD``.
        clip: Largest norm of a task's whole gradient in one step; longer ones are shortened to it.
        first_order: Treat the inner gradients as constants (FOMAML, Finn et al. 2017).
        centred: The head sees features minus their mean over the support under the current parameters.

    Raises:
        ValueError: a negative number of steps, momentum outside [0, 1), or a clip that is not positive.
    """

    steps: int
    momentum: float = 0.0
    clip: float | None = None
    first_order: bool = False
    centred: bool = False

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"inner steps must not be negative, got {self.steps}")
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"inner momentum must lie in [0, 1), got {self.momentum}")
        if self.clip is not None and self.clip <= 0.0:
            raise ValueError(f"the inner clip must be positive, got {self.clip}")


def rates_at(rates: RatesByStep, step: int) -> Rates:
    """Rates of one step.

    Raises:
        ValueError: rates by step that end before ``step``.
    """
    if isinstance(rates, float | int | Mapping):
        return rates
    if step >= len(rates):
        raise ValueError(f"there are rates for {len(rates)} inner steps, step {step + 1} has none")
    return rates[step]


def rate_of(rates: Rates, name: str) -> float | Tensor:
    """Rate of a parameter: its own, or that of its layer (``tail.head`` for ``tail.head.weight``)."""
    if not isinstance(rates, Mapping):
        return rates
    return rates[name] if name in rates else rates[name.rpartition(".")[0]]


def clip_factor(squares: Tensor, norm: float) -> Tensor:
    """What shortens gradients to ``norm`` where they are longer, from their squared norms; differentiable."""
    # The smallest normal number keeps the derivative of the root finite where all gradients vanish.
    return (norm / (squares + torch.finfo(squares.dtype).tiny).sqrt()).clamp(max=1.0)
