"""The inner loop for any network: the fast path where it holds, the reference elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import constant_input
from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.bilevel.reference import Parameters, Rates, inner_loop
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["adapt", "query_outputs"]


def query_outputs(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: Rates,
    *,
    steps: int,
    first_order: bool = False,
) -> Tensor:
    """Outputs ``[t, q, c]`` on the queries of ``t`` tasks after their inner loops.

    Differentiable with respect to parameters and rates, through the inner loop unless ``first_order``.

    Args:
        network: The structure; networks with a linear first layer (`MLP`) take the constant-input path.
        parameters: Where every task starts; each must require a gradient.
        batch: Support and query sets.
        loss: Inner loss per task.
        rates: One rate, or one per layer.
        steps: Inner steps.
        first_order: Treat the inner gradients as constants.
    """
    if isinstance(network, MLP):
        return constant_input.query_outputs(
            network, parameters, batch, loss, rates, steps=steps, first_order=first_order
        )
    outputs = []
    for task, x in enumerate(batch.query.x):
        adapted = inner_loop(
            _support_loss(network, batch.support, task, loss),
            parameters,
            rates,
            steps=steps,
            first_order=first_order,
        )
        outputs.append(functional_call(network, adapted, (x,)))
    return torch.stack(outputs)


def adapt(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: Rates,
    *,
    steps: int,
) -> Parameters:
    """Adapts to the support set of one task; the result is detached and shares no memory to write to.

    Args:
        network: The structure.
        parameters: Where the task starts; left as they are.
        support: The support set, with a leading task dimension of 1.
        loss: Loss per task.
        rates: One rate, or one per layer.
        steps: Gradient steps; 0 does nothing.
    """
    leaves = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
    if isinstance(network, MLP):
        start = constant_input.pre_activations(leaves, support.x)
        descent = constant_input.descend(
            network, leaves, support, start, loss, rates, steps=steps, first_order=True
        )
        adapted = constant_input.adapted_parameters(leaves, support.x, descent)
    else:
        adapted = inner_loop(
            _support_loss(network, support, 0, loss), leaves, rates, steps=steps, first_order=True
        )
    return {name: value.detach() for name, value in adapted.items()}


def _support_loss(
    network: nn.Module, support: Labelled, task: int, loss: TaskLoss
) -> Callable[[Parameters], Tensor]:
    def of(parameters: Parameters) -> Tensor:
        outputs = functional_call(network, parameters, (support.x[task],))
        return loss(outputs, support.y[task], support.weight[task])

    return of
