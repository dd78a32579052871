"""The head of a `Conv4` and a task's loss: gradient, and its derivative along a direction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel.losses import TaskLoss

__all__ = ["HeadLoss", "outputs_of"]


def outputs_of(embedding: Tensor, head: Sequence[Tensor]) -> Tensor:
    """Outputs ``[n, c]``: the embedding itself where the network has no head."""
    return F.linear(embedding, *head) if head else embedding


class HeadLoss:
    """Gradient of one task's loss with respect to the embeddings and the head.

    These tensors are tiny, so PyTorch differentiates them, and any `TaskLoss` will do.

    Args:
        embedding: ``[n, e]``.
        head: Weight and bias, or nothing.
        y: ``[n]`` targets.
        weight: ``[n]`` weights.
        loss: The loss.
        twice: Keep the graph that ``along`` needs.

    Attributes:
        d_embedding: ``[n, e]``.
        d_head: Gradient of the head as one vector.
    """

    def __init__(
        self,
        embedding: Tensor,
        head: Sequence[Tensor],
        y: Tensor,
        weight: Tensor,
        loss: TaskLoss,
        *,
        twice: bool = False,
    ) -> None:
        with torch.enable_grad():
            self._inputs = [value.detach().requires_grad_() for value in (embedding, *head)]
            value = loss(outputs_of(self._inputs[0], self._inputs[1:]), y, weight)
            self._gradients = torch.autograd.grad(value, self._inputs, create_graph=twice)
        self.d_embedding = self._gradients[0].detach()
        self.d_head = _flat(self._gradients[1:], embedding)

    def along(self, embedding_dot: Tensor, head_dot: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Derivatives of ``d_embedding`` and ``d_head``: the Hessian, symmetric, times the direction."""
        with torch.enable_grad():
            # A loss that is linear in the embeddings has a constant gradient, without a graph.
            curved = [
                pair
                for pair in zip(self._gradients, (embedding_dot, *head_dot), strict=True)
                if pair[0].requires_grad
            ]
            if not curved:
                return torch.zeros_like(self.d_embedding), torch.zeros_like(self.d_head)
            gradients, dots = zip(*curved, strict=True)
            found = torch.autograd.grad(gradients, self._inputs, dots, materialize_grads=True)
        return found[0], _flat(found[1:], embedding_dot)


def _flat(values: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.cat([value.detach().flatten() for value in values]) if values else like.new_zeros(0)
