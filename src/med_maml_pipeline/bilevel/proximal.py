"""An inner problem that is drawn back to its start, and what its solution says of that start; vectors alone.

The problem of a task is ``min L(φ) + λ/2 Σ (φ − θ)² / r`` with rates ``r`` (Rajeswaran et al. 2019 with one
``r`` for all; by layer, one λ serves layers of any width). It is solved by steps along
``−r ∇L(φ) − λ (φ − θ)``. At the solution ``dφ/dθ`` is ``(I + R H / λ)⁻¹``, so the meta-gradient ``g``
follows from the gradient ``v`` of the query loss by ``(I + S H S / λ) S g = S v`` with ``S = √R``: a
symmetric system for conjugate gradients. Neither memory nor gradient depends on the steps that led there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LossAndGradient", "Proximal", "conjugate_gradients", "implicit_gradient", "proximal_descent"]

Map = Callable[[Tensor], Tensor]

LossAndGradient = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Value and gradient of a loss at parameters ``[p]``."""


@dataclass(frozen=True)
class Proximal:
    """How the inner problem is posed and solved.

    Attributes:
        steps: Steps of descent.
        strength: λ, the share of the way back to the start that a full step goes.
        solver_steps: Steps of conjugate gradients.
        centred: The head sees features minus their mean over the support.

    Raises:
        ValueError: a strength outside (0, 1), or a negative number of steps.
    """

    steps: int
    strength: float
    solver_steps: int = 5
    centred: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.strength < 1.0:
            raise ValueError(f"the proximal strength must lie between 0 and 1, got {self.strength}")
        if min(self.steps, self.solver_steps) < 0:
            raise ValueError("steps of descent and of conjugate gradients must not be negative")


def proximal_descent(loss: LossAndGradient, start: Tensor, rates: Tensor, problem: Proximal) -> Tensor:
    """Descends from ``start``, drawn back to it; a step that leads uphill is not taken, and halves the next.

    So rates that became too large for a loss that became steep do no harm.

    Args:
        loss: Support loss and its gradient.
        start: ``[p]``.
        rates: ``[p]``.
        problem: Steps and strength.
    """

    def drawn_back(phi: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = loss(phi)
        away = phi - start
        height = value + problem.strength / 2 * (away.square() / rates).sum()
        return height, rates * gradient + problem.strength * away

    now, length, rounding = start, torch.ones_like(start[0]), 32 * torch.finfo(start.dtype).eps
    height, direction = drawn_back(now)
    for _ in range(problem.steps):
        tried = now - length * direction
        height_there, direction_there = drawn_back(tried)
        lower = height_there <= height + rounding * (1 + height.abs())
        now, height = torch.where(lower, tried, now), torch.where(lower, height_there, height)
        direction = torch.where(lower, direction_there, direction)
        length = torch.where(lower, length, length / 2)
    return now


def implicit_gradient(hessian: Map, v: Tensor, rates: Tensor, problem: Proximal) -> Tensor:
    """Gradient ``[p]`` of the query loss by the start.

    Args:
        hessian: Of the support loss at the solution, times a vector.
        v: ``[p]`` gradient of the query loss at the solution.
        rates: ``[p]``.
        problem: Strength, steps of the solver.
    """
    root = rates.sqrt()

    def product(direction: Tensor) -> Tensor:
        return direction + root * hessian(root * direction) / problem.strength

    return conjugate_gradients(product, root * v, problem.solver_steps) / root


def conjugate_gradients(product: Map, wanted: Tensor, steps: int) -> Tensor:
    """Solves ``A x = wanted`` for a symmetric positive definite ``A`` (Hestenes & Stiefel 1952).

    Where the residual vanishes or ``A`` curves downwards, ``x`` stays as it is.

    Args:
        product: ``A`` times a vector.
        wanted: ``[p]``.
        steps: Taken whatever the residual, so that the tasks of a batch can go together.
    """
    tiny = torch.finfo(wanted.dtype).tiny
    x, residual, direction = torch.zeros_like(wanted), wanted, wanted
    square = residual @ residual
    for _ in range(steps):
        along = product(direction)
        curvature = direction @ along
        length = torch.where(curvature > 0, square / curvature.clamp(min=tiny), 0.0)
        x, residual = x + length * direction, residual - length * along
        last, square = square, residual @ residual
        direction = residual + square / last.clamp(min=tiny) * direction
    return x
