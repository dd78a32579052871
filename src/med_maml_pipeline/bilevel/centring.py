"""Features of a head minus their mean over the support, told by the outputs alone.

With ``z = W h + b`` and the support's mean features ``m``, the centred outputs ``W (h − m) + b`` are
``z − mean(z) + b``, the mean taken over the support. So any network with a linear head is centred without a
look inside, and a centred network with fixed parameters is a plain one with another bias.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from med_maml_pipeline.bilevel.inner import Parameters

__all__ = ["centred", "with_centre_in_bias"]


def centred(outputs: Tensor, support_outputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Outputs on centred features.

    Args:
        outputs: ``[n, c]`` plain outputs on any rows.
        support_outputs: ``[s, c]`` plain outputs on the support, under the same parameters.
        weight: ``[s]`` weights of the support's rows; they sum to 1.
        bias: ``[c]`` of the head.
    """
    return outputs - weight @ support_outputs + bias


def with_centre_in_bias(
    parameters: Mapping[str, Tensor], head_path: str, support_outputs: Tensor, weight: Tensor
) -> Parameters:
    """Parameters of the plain network that does what these do on centred features.

    Args:
        parameters: After adaptation.
        head_path: Module path of the head.
        support_outputs: ``[s, c]`` plain outputs on the support.
        weight: ``[s]`` weights of its rows.
    """
    name = f"{head_path}.bias"
    bias = parameters[name]
    return {**parameters, name: centred(bias, support_outputs, weight, bias)}
