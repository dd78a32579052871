"""Inner learning rates per layer, in units that carry over between modalities."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["initial_log_rates", "rates_from_logs"]


def initial_log_rates(network: nn.Module, inner_lr: float, mean_square_norm: float) -> dict[str, Tensor]:
    """Logarithm of one rate per layer: ``inner_lr`` over the square norm of what enters the layer.

    The step that a linear layer can take grows with the inverse of that norm (normalised least mean
    squares), so one number serves 32 and 2,248 inputs alike.

    Args:
        network: The structure; a linear layer that takes the inputs is called ``first``.
        inner_lr: Rate in units of the inverse curvature.
        mean_square_norm: Mean of ``‖x‖² + 1`` over the inputs.
    """
    logs: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        layer, _, part = name.rpartition(".")
        if part == "weight":
            # Rectified units of unit variance have a mean square of one half.
            entering = math.prod(parameter.shape[1:]) if parameter.dim() > 1 else len(parameter)
            curvature = mean_square_norm if layer == "first" else entering / 2 + 1
            logs[layer] = torch.tensor(math.log(inner_lr / curvature))
    return logs


def rates_from_logs(logs: Mapping[str, Tensor], scale: float = 1.0) -> dict[str, Tensor]:
    """The rates, times ``scale``."""
    return {layer: value.exp() * scale for layer, value in logs.items()}
