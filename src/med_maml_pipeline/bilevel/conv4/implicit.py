"""Implicit meta-gradients of `Conv4` on the CPU: the blocks' own derivatives in place of autograd."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.batch import EpisodeBatch
from med_maml_pipeline.bilevel.conv4.layout import Layout
from med_maml_pipeline.bilevel.conv4.sweep import Rows, hessian_product, loss_and_gradient
from med_maml_pipeline.bilevel.conv4.tasks import backend_for
from med_maml_pipeline.bilevel.inner import Parameters, Rates
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.bilevel.proximal import Proximal, implicit_gradient, proximal_descent
from med_maml_pipeline.networks.conv import Conv4

__all__ = ["ImplicitTasks"]


class ImplicitTasks:
    """Tasks that start alike, one after another.

    Args:
        network: The structure.
        start: Parameters.
        loss: Loss per task.
        rates: By layer or one for all.
        problem: Steps, strength.
    """

    def __init__(
        self, network: Conv4, start: Mapping[str, Tensor], loss: TaskLoss, rates: Rates, problem: Proximal
    ) -> None:
        make_body, order = backend_for(network, start, "best")
        self._body, self._layout = make_body(), Layout.of(start, order)
        self._loss, self._problem = loss, problem
        self._start = self._layout.pack(start)
        found = self._layout.rates(rates, self._start)
        self._rates = torch.as_tensor(found).detach().to(self._start).expand(self._start.shape)

    @torch.no_grad()
    def loss_and_gradient(self, task: EpisodeBatch) -> tuple[Tensor, Parameters]:
        """Loss on the queries of one task at its solution, and the implicit gradient by name."""
        body, layout, problem = self._body, self._layout, self._problem
        support, query = (Rows(rows.x[0], rows.y[0], rows.weight[0]) for rows in (task.support, task.query))
        around = support if problem.centred else None

        def on_support(theta: Tensor) -> tuple[Tensor, Tensor]:
            return loss_and_gradient(body, layout, theta, support, self._loss, around=around)

        solution = proximal_descent(on_support, self._start, self._rates, problem)
        value, v = loss_and_gradient(body, layout, solution, query, self._loss, around=around)

        def hessian(direction: Tensor) -> Tensor:
            return hessian_product(
                body, layout, solution, support, self._loss, direction, centred=problem.centred
            )

        return value, layout.unpack(implicit_gradient(hessian, v, self._rates, problem))
