"""First values of a network's parameters, from a seed and nothing else."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["initial_parameters"]


def initial_parameters(
    network: nn.Module, seed: int, *, zero: str | None = None, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Draws parameters for a structure: He normal weights, zero biases, identity normalisation.

    Drawn on the CPU by a generator of its own, so the global random state is neither read nor moved and
    every device starts alike (He et al. 2015).

    Args:
        network: Any module; only names and shapes of its parameters are read.
        seed: Seed of the generator.
        zero: Module path of a layer that starts at zero: a head, so that scores start at chance.
        dtype: Floating type of the result.

    Returns:
        Parameters by name, as ``torch.func.functional_call`` takes them.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters: dict[str, Tensor] = {}
    for name, structure in network.named_parameters():
        if name.rpartition(".")[0] == zero:
            parameters[name] = torch.zeros(structure.shape, dtype=dtype)
        elif structure.dim() < 2:
            fill = 1.0 if name.endswith("weight") else 0.0
            parameters[name] = torch.full(structure.shape, fill, dtype=dtype)
        else:
            deviation = math.sqrt(2.0 / math.prod(structure.shape[1:]))
            drawn = torch.randn(structure.shape, generator=generator, dtype=torch.float64)
            parameters[name] = (drawn * deviation).to(dtype)
    return parameters
