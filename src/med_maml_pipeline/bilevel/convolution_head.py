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

    PyTorch differentiates the loss by the outputs, so any `TaskLoss` will do; the rest is a few products.

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
        self._embedding, self._head = embedding, head
        self._outputs = outputs_of(embedding, head).detach().requires_grad_()
        with torch.enable_grad():
            value = loss(self._outputs, y, weight)
            (self._graph,) = torch.autograd.grad(value, self._outputs, create_graph=twice)
        self._delta = self._graph.detach()
        self.d_embedding = self._delta @ head[0] if head else self._delta
        self.d_head = self._flat((self._delta.T @ embedding, self._delta.sum(0)) if head else ())

    def along(self, embedding_dot: Tensor, head_dot: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Derivatives of ``d_embedding`` and ``d_head`` along a direction of embeddings and head."""
        outputs_dot = outputs_of(embedding_dot, self._head[:1])
        if head_dot:
            outputs_dot = outputs_dot + outputs_of(self._embedding, head_dot)
        delta, delta_dot = self._delta, self._curvature(outputs_dot)
        if not head_dot:
            return delta_dot, self._flat(())
        d_weight = delta_dot.T @ self._embedding + delta.T @ embedding_dot
        d_embedding = delta_dot @ self._head[0] + delta @ head_dot[0]
        return d_embedding, self._flat((d_weight, delta_dot.sum(0)))

    def _curvature(self, outputs_dot: Tensor) -> Tensor:
        """Hessian of the loss by the outputs, which is symmetric, times a direction."""
        if not self._graph.requires_grad:  # linear in the outputs
            return torch.zeros_like(outputs_dot)
        (found,) = torch.autograd.grad(self._graph, self._outputs, outputs_dot, materialize_grads=True)
        return found

    def _flat(self, values: Sequence[Tensor]) -> Tensor:
        """One vector; as many of the values as the head has parts."""
        kept = [value.flatten() for value in values[: len(self._head)]]
        return torch.cat(kept) if kept else self._embedding.new_zeros(0)
