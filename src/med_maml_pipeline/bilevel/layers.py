"""Linear layers of many tasks at once, whose weights move without their gradients being written out.

The gradient of a linear layer's weight is ``δᵀ a``: the gradient ``δ`` ``[t, n, o]`` at its outputs times its
inputs ``a`` ``[t, n, i]``. So the inner loop asks autograd for ``δ`` only, and the weight moves by one fused
product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from med_maml_pipeline.bilevel.inner import Parameters, Rates, rate_of
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["Evaluated", "WeightGradient", "evaluate_tail", "linear_layer", "move", "tail_of_each"]

_TAIL = "tail."


@dataclass(frozen=True)
class Evaluated:
    """The layers behind the first, on rows of ``t`` tasks.

    Attributes:
        outputs: ``[t, n, c]``.
        entering / leaving: Inputs ``[t, n, i]`` and outputs ``[t, n, o]`` of each linear layer, by its path.
    """

    outputs: Tensor
    entering: dict[str, Tensor]
    leaving: dict[str, Tensor]


@dataclass(frozen=True)
class WeightGradient:
    """Gradient ``δᵀ a`` of a linear layer, in its two factors.

    Attributes:
        delta: ``[t, n, o]``.
        entering: ``[t, n, i]``.
    """

    delta: Tensor
    entering: Tensor

    def square_norms(self) -> Tensor:
        """Squared norm ``[t]`` of the gradients of weight and bias together."""
        rows = self.entering @ self.entering.mT + 1.0
        return ((self.delta @ self.delta.mT) * rows).sum((1, 2))

    def scaled(self, factor: Tensor) -> WeightGradient:
        """The gradient times each task's factor ``[t]``."""
        return WeightGradient(self.delta * factor[:, None, None], self.entering)

    def after(self, last: WeightGradient, momentum: float) -> WeightGradient:
        """The sum of this gradient and ``momentum`` times ``last``: more rows, still two factors."""
        delta = torch.cat([self.delta, momentum * last.delta], dim=1)
        return WeightGradient(delta, torch.cat([self.entering, last.entering], dim=1))


def evaluate_tail(
    network: MLP, parameters: Mapping[str, Tensor], z: Tensor, centre: Tensor | None = None
) -> Evaluated:
    """Runs all layers behind the first.

    Args:
        network: The structure.
        parameters: By full name; shared by all tasks, or with a leading task dimension.
        z: ``[t, n, h]`` outputs of the first layer.
        centre: ``[t, n]`` weights of the rows whose mean features are subtracted before the head; None
            leaves the features as they are.
    """
    entering: dict[str, Tensor] = {}
    leaving: dict[str, Tensor] = {}
    values = z
    for path, layer in _tail_layers(network):
        if centre is not None and path == network.head_path:
            values = values - centre.unsqueeze(1) @ values
        if isinstance(layer, nn.Linear):
            entering[path] = values
            values = linear_layer(values, parameters[f"{path}.weight"], parameters[f"{path}.bias"])
            leaving[path] = values
        elif isinstance(layer, nn.LayerNorm):
            plain = F.layer_norm(values, layer.normalized_shape, eps=layer.eps)
            values = plain * _rows(parameters[f"{path}.weight"]) + _rows(parameters[f"{path}.bias"])
        else:
            values = layer(values)
    return Evaluated(values, entering, leaving)


def tail_of_each(network: MLP, parameters: Mapping[str, Tensor], n_tasks: int) -> Parameters:
    """Parameters behind the first layer; those of normalisations with a leading task dimension, so that
    each task has a gradient of its own. Weights need none: their gradients come in factors."""
    tail: Parameters = {}
    for path, layer in _tail_layers(network):
        for part, _ in layer.named_parameters():
            value = parameters[f"{path}.{part}"]
            own = value if isinstance(layer, nn.Linear) else value.expand(n_tasks, *value.shape)
            tail[f"{path}.{part}"] = own
    return tail


def move(
    tail: Parameters,
    linear: Mapping[str, WeightGradient],
    plain: Mapping[str, Tensor],
    rates: Rates,
) -> Parameters:
    """Parameters behind the first layer after one step, all with a leading task dimension.

    Args:
        tail: Before the step.
        linear: Gradients of the linear layers by path.
        plain: Gradients of all other parameters by name, ``[t, ...]``.
        rates: Of this step.
    """
    moved = {name: tail[name] - rate_of(rates, name) * gradient for name, gradient in plain.items()}
    for path, gradient in linear.items():
        weight, bias = f"{path}.weight", f"{path}.bias"
        moved[weight] = _moved_weight(tail[weight], gradient, rate_of(rates, weight))
        moved[bias] = tail[bias] - rate_of(rates, bias) * gradient.delta.sum(1)
    return moved


def _moved_weight(weight: Tensor, gradient: WeightGradient, rate: float | Tensor) -> Tensor:
    delta, entering = gradient.delta, gradient.entering
    if isinstance(rate, Tensor) and rate.dim() > 0:
        return weight - rate * (delta.mT @ entering)
    start = weight.expand(len(delta), *weight.shape[-2:])
    return torch.baddbmm(start, (rate * delta).mT, entering, alpha=-1)


def _tail_layers(network: MLP) -> Iterator[tuple[str, nn.Module]]:
    for position, layer in enumerate(network.tail.body):
        yield f"{_TAIL}body.{position}", layer
    yield f"{_TAIL}head", network.tail.head


def linear_layer(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``rows`` ``[t, n, i]`` through weights of all tasks ``[o, i]`` or of each ``[t, o, i]``."""
    if weight.dim() == 2:
        return F.linear(rows.flatten(0, 1), weight, bias).unflatten(0, rows.shape[:2])
    return torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)


def _rows(vector: Tensor) -> Tensor:
    """A vector of all tasks ``[w]`` or of each ``[t, w]``, ready for rows ``[t, n, w]``."""
    return vector if vector.dim() == 1 else vector.unsqueeze(1)
