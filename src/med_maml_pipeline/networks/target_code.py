"""How the label of a support row enters a network that reads supports."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["target_code"]


def target_code(values: Tensor, kind: Tensor) -> Tensor:
    """A value and the kind of target that it belongs to: one network serves every kind.

    Args:
        values: ``[b, n]``: 1 and -1 for a class and the others, or standardised values.
        kind: ``[k]`` one-hot: binary, multiclass, regression.

    Returns:
        ``[b, n, 2 k]``: the value in its kind's place, then the kind.
    """
    valued = values.unsqueeze(-1) * kind
    return torch.cat([valued, kind.expand_as(valued)], dim=-1)
