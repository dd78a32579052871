"""Features of a head minus their mean over the support, told by the outputs alone.

With ``z = W h + b`` and the support's mean features ``m``, the centred outputs ``W (h − m) + b`` are
``z − mean(z) + b``, the mean taken over the support. So any network with a linear head is centred without a
look inside, and a centred network with fixed parameters is a plain one with another bias.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel.batch import Labelled
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.bilevel.proximal import Proximal

__all__ = ["Rows", "centre_in_bias", "centred", "loss_on"]

Rows = tuple[Tensor, Tensor, Tensor]
"""Inputs, targets and weights of one task's support or query."""


def loss_on(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    rows: Rows,
    support: Rows,
    loss: TaskLoss,
    problem: InnerLoop | Proximal,
) -> Tensor:
    """Loss of one task on some of its rows, on features that are centred where the problem says so.

    Args:
        network: The structure.
        parameters: Of the task.
        rows: Support or query.
        support: The support, the very same object where that is what is asked for.
        loss: Loss per task.
        problem: ``centred`` is read of it.
    """
    outputs = functional_call(network, dict(parameters), (rows[0],))
    if problem.centred:
        seen = outputs if rows is support else functional_call(network, dict(parameters), (support[0],))
        outputs = centred(outputs, seen, support[2], parameters[f"{network.head_path}.bias"])
    return loss(outputs, *rows[1:])


def centred(outputs: Tensor, support_outputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Outputs on centred features.

    Args:
        outputs: ``[n, c]`` plain outputs on any rows.
        support_outputs: ``[s, c]`` plain outputs on the support, under the same parameters.
        weight: ``[s]`` weights of the support's rows; they sum to 1.
        bias: ``[c]`` of the head.
    """
    return outputs - weight @ support_outputs + bias


def centre_in_bias(network: nn.Module, parameters: Mapping[str, Tensor], support: Labelled) -> Parameters:
    """Parameters of the plain network that does what these do on centred features; differentiable.

    Args:
        network: The structure.
        parameters: Of one task.
        support: Its support set, with a leading task dimension of 1.
    """
    name = f"{network.head_path}.bias"
    outputs = functional_call(network, dict(parameters), (support.x[0],))
    return {**parameters, name: centred(parameters[name], outputs, support.weight[0], parameters[name])}
