"""One task of a `Conv4`: the descent without a graph, and the sweep back through it.

With ``v`` the gradient of the query loss at the adapted parameters, one step ``θ ← θ − r g(θ)`` is undone by
``v ← v − H (r v)``, where ``H`` is the Hessian of the support loss before the step; the rates' gradient is
``−g v``. Only the parameters before each step are kept, so memory holds the activations of one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.convolution_body import Body
from med_maml_pipeline.bilevel.convolution_head import HeadLoss, outputs_of
from med_maml_pipeline.bilevel.convolution_layout import Layout
from med_maml_pipeline.bilevel.losses import TaskLoss

__all__ = ["Descent", "Task", "descend", "query_outputs", "sweep_back"]


@dataclass(frozen=True)
class Task:
    """Support set and query pictures of one task.

    Attributes:
        x: ``[s, p]`` pictures as rows.
        y: ``[s]`` targets.
        weight: ``[s]`` weights.
        query: ``[q, p]`` pictures.
    """

    x: Tensor
    y: Tensor
    weight: Tensor
    query: Tensor


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
    task: Task,
    loss: TaskLoss,
    rates: Sequence[float | Tensor],
    *,
    keep_gradients: bool = False,
) -> Descent:
    """Gradient descent on the support loss, one step per entry of ``rates``."""
    points, gradients = [start], []
    for rate in rates:
        theta = points[-1]
        head = HeadLoss(body.forward(task.x, theta), layout.head(theta), task.y, task.weight, loss)
        gradient = torch.cat([body.backward(theta, head.d_embedding), head.d_head])
        points.append(theta - rate * gradient)
        if keep_gradients:
            gradients.append(gradient)
    return Descent(points, gradients)


def query_outputs(body: Body, layout: Layout, descent: Descent, task: Task) -> Tensor:
    """Outputs ``[q, c]`` of the adapted network."""
    theta = descent.points[-1]
    return outputs_of(body.embed(task.query, theta), layout.head(theta))


def sweep_back(
    body: Body,
    layout: Layout,
    descent: Descent,
    task: Task,
    loss: TaskLoss,
    rates: Sequence[float | Tensor],
    d_outputs: Tensor,
    *,
    first_order: bool,
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of start and rates (per step, in the parameters' layout; empty without kept gradients).

    Args:
        body: The four blocks.
        layout: Of the parameters.
        descent: Of this task.
        task: The task.
        loss: Its support loss.
        rates: One entry per step.
        d_outputs: ``[q, c]`` gradient at the query outputs.
        first_order: Leave the Hessians out.
    """
    v = _query_gradient(body, layout, descent.points[-1], task, d_outputs)
    d_rates: list[Tensor] = []
    for step in reversed(range(len(rates))):
        if descent.gradients:
            d_rates.append(-descent.gradients[step] * v)
        if not first_order:
            v = v - hessian_product(body, layout, descent.points[step], task, loss, rates[step] * v)
    return v, d_rates[::-1]


def hessian_product(
    body: Body, layout: Layout, theta: Tensor, task: Task, loss: TaskLoss, direction: Tensor
) -> Tensor:
    """Hessian of the support loss at ``theta`` times ``direction``, by the R-operator."""
    embedding = body.linearise(task.x, theta)
    head = HeadLoss(embedding, layout.head(theta), task.y, task.weight, loss, twice=True)
    embedding_dot = body.tangent(theta, direction)
    d_embedding_dot, d_head_dot = head.along(embedding_dot, layout.head(direction))
    return torch.cat([body.tangent_backward(theta, direction, head.d_embedding, d_embedding_dot), d_head_dot])


def _query_gradient(body: Body, layout: Layout, theta: Tensor, task: Task, d_outputs: Tensor) -> Tensor:
    """Gradient at ``theta`` of the query loss whose gradient at the outputs is ``d_outputs``."""
    head = layout.head(theta)
    d_embedding = d_outputs @ head[0] if head else d_outputs
    embedding, gradient = body.pull_back(task.query, theta, d_embedding)
    d_head = [(d_outputs.T @ embedding).flatten(), d_outputs.sum(0)][: len(head)]
    return torch.cat([gradient, *d_head])
