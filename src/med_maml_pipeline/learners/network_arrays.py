"""Parameters between torch and checkpoints: copies in both directions, so nothing is changed in place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["to_arrays", "to_leaves", "to_tensors"]


def to_leaves(values: Mapping[str, Tensor], device: str, *, learned: bool = True) -> dict[str, Tensor]:
    """The values on a device, as leaves that require gradients where they are ``learned``."""
    return {name: value.to(device).requires_grad_(learned) for name, value in values.items()}


def to_arrays(parameters: Mapping[str, Tensor], prefix: str) -> dict[str, NDArray[np.generic]]:
    """Float32 copies of tensors under ``prefix``, on the host."""
    return {
        prefix + name: value.detach().to("cpu", torch.float32).numpy().copy()
        for name, value in parameters.items()
    }


def to_tensors(
    arrays: Mapping[str, NDArray[np.generic]],
    prefix: str,
    *,
    device: str,
    dtype: torch.dtype,
    under: str = "",
) -> dict[str, Tensor]:
    """Copies of the arrays under ``prefix`` as tensors, prefix replaced by ``under``."""
    return {
        under + name.removeprefix(prefix): torch.tensor(array, dtype=dtype, device=device)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
