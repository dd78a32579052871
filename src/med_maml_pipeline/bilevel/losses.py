"""Losses of many tasks at once: one number per task, padding without effect."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

__all__ = ["TaskLoss", "cross_entropy", "huber"]

TaskLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``(outputs [..., n, c], targets [..., n], weights [..., n]) → [...]``: weighted sums over the rows."""


def cross_entropy(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted softmax cross-entropy; ``targets`` are class indices (int64)."""
    logs = F.log_softmax(outputs, dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return -(logs * weights).sum(-1)


def huber(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted Huber loss with threshold 1 on ``outputs[..., 0]`` (Huber 1964).

    Targets are standardised by a small support set, so that single values can lie far out.
    """
    residuals = F.huber_loss(outputs.squeeze(-1), targets, reduction="none")
    return (residuals * weights).sum(-1)
