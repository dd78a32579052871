"""One task of a `Conv4`: the descent without a graph, and the sweep back through it.

With ``v`` the gradient of the query loss at the adapted parameters, one step ``θ ← θ − r g(θ)`` is undone by
``v ← v − H (r v)``, where ``H`` is the Hessian of the support loss before the step; the rates' gradient is
``−g v``. Only the parameters before each step are kept, so memory holds the activations of one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.conv4.body import Body
from med_maml_pipeline.bilevel.conv4.head import HeadLoss
from med_maml_pipeline.bilevel.conv4.layout import Layout
from med_maml_pipeline.bilevel.losses import TaskLoss

__all__ = ["Descent", "Rows", "descend", "loss_and_gradient", "sweep_back"]


@dataclass(frozen=True)
class Rows:
    """Support or query set of one task.

    Attributes:
        x: ``[n, p]`` pictures as rows.
        y: ``[n]`` targets.
        weight: ``[n]`` weights.
    """

    x: Tensor
    y: Tensor
    weight: Tensor

    def chunks(self, size: int) -> Iterator[Rows]:
        """At most ``size`` rows at a time; losses are sums over rows, so theirs add up."""
        for parts in zip(self.x.split(size), self.y.split(size), self.weight.split(size), strict=True):
            yield Rows(*parts)


@dataclass(frozen=True)
class Descent:
    """Where the descent of one task went.

    Attributes:
        points: Parameters before every step, and after the last.
        gradients: Of every step, where the rates learn; empty otherwise.
    """

    points: list[Tensor]
    gradients: list[Tensor]


def descend(
    body: Body,
    layout: Layout,
    start: Tensor,
    support: Rows,
    loss: TaskLoss,
    rates: Sequence[float | Tensor],
    *,
    centred: bool,
    keep_gradients: bool = False,
) -> Descent:
    """Gradient descent on the support loss, one step per entry of ``rates``."""
    centre = support.weight if centred else None
    points, gradients = [start], []
    for rate in rates:
        theta = points[-1]
        embedding, own = body.forward(support.x, theta), layout.head(theta)
        head = HeadLoss(embedding, own, support.y, support.weight, loss, centre=centre)
        gradient = torch.cat([body.backward(theta, head.d_embedding), head.d_head])
        points.append(theta - rate * gradient)
        if keep_gradients:
            gradients.append(gradient)
    return Descent(points, gradients)


def loss_and_gradient(
    body: Body,
    layout: Layout,
    theta: Tensor,
    rows: Rows,
    loss: TaskLoss,
    *,
    around: Rows | None = None,
    differentiate: bool = True,
) -> tuple[Tensor, Tensor]:
    """Loss on ``rows`` and its gradient (zeros unless asked for), few pictures at a time.

    ``around`` holds the support whose mean embedding is taken from those of ``rows``; None takes none.
    """
    value, gradient = theta.new_zeros(()), torch.zeros_like(theta)
    middle = theta.new_zeros(()) if around is None else around.weight @ body.forward(around.x, theta)
    d_middle = torch.zeros_like(middle)
    for part in rows.chunks(body.rows):
        embedding = body.forward(part.x, theta)
        embedding = embedding if around is None else embedding - middle
        head = HeadLoss(embedding, layout.head(theta), part.y, part.weight, loss)
        value += head.value
        if differentiate:
            gradient += torch.cat([body.backward(theta, head.d_embedding), head.d_head])
            d_middle = d_middle - head.d_embedding.sum(0)
    if differentiate and around is not None:
        body.forward(around.x, theta)
        gradient[: layout.body] += body.backward(theta, torch.outer(around.weight, d_middle))
    return value, gradient


def sweep_back(
    body: Body,
    layout: Layout,
    descent: Descent,
    support: Rows,
    loss: TaskLoss,
    rates: Sequence[float | Tensor],
    gradient: Tensor,
    *,
    first_order: bool,
    centred: bool,
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of start and rates (per step, in the parameters' layout; empty without kept gradients).

    Args:
        body: The four blocks.
        layout: Of the parameters.
        descent: Of this task.
        support: Its support set.
        loss: Its support loss.
        rates: One entry per step.
        gradient: Of the query loss at the adapted parameters.
        first_order: Leave the Hessians out.
        centred: Whether the head saw centred embeddings.
    """
    v, d_rates = gradient, []
    for step in reversed(range(len(rates))):
        if descent.gradients:
            d_rates.append(-descent.gradients[step] * v)
        if not first_order:
            along = rates[step] * v
            v = v - hessian_product(body, layout, descent.points[step], support, loss, along, centred=centred)
    return v, d_rates[::-1]


def hessian_product(
    body: Body,
    layout: Layout,
    theta: Tensor,
    support: Rows,
    loss: TaskLoss,
    direction: Tensor,
    *,
    centred: bool,
) -> Tensor:
    """Hessian of the support loss at ``theta`` times ``direction``, by the R-operator."""
    embedding = body.linearise(support.x, theta)
    centre, own = support.weight if centred else None, layout.head(theta)
    head = HeadLoss(embedding, own, support.y, support.weight, loss, twice=True, centre=centre)
    embedding_dot = body.tangent(theta, direction)
    d_embedding_dot, d_head_dot = head.along(embedding_dot, layout.head(direction))
    return torch.cat([body.tangent_backward(theta, direction, head.d_embedding, d_embedding_dot), d_head_dot])
