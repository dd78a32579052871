"""The head of a `Conv4` and a task's loss: gradient, and its derivative along a direction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel.losses import TaskLoss, cross_entropy

__all__ = ["HeadLoss"]


def _outputs(embedding: Tensor, head: Sequence[Tensor]) -> Tensor:
    """Outputs ``[n, c]``: the embedding itself where the network has no head."""
    return F.linear(embedding, *head) if head else embedding


class _CrossEntropy:
    """Gradient of `cross_entropy` by the outputs, in closed form: several times faster on small sets."""

    def __init__(self, outputs: Tensor, y: Tensor, weight: Tensor) -> None:
        self._chances, self._weight = outputs.softmax(1), weight[:, None]
        wanted = torch.zeros_like(outputs).scatter_(1, y[:, None], 1.0)
        self.delta = (self._chances - wanted) * self._weight

    def along(self, outputs_dot: Tensor) -> Tensor:
        part = self._chances * outputs_dot
        return torch.addcmul(part, self._chances, part.sum(1, keepdim=True), value=-1.0).mul_(self._weight)


class _AnyLoss:
    """Gradient of a loss by the outputs, differentiated by PyTorch."""

    def __init__(self, loss: TaskLoss, outputs: Tensor, y: Tensor, weight: Tensor, *, twice: bool) -> None:
        self._outputs = outputs.detach().requires_grad_()
        with torch.enable_grad():
            value = loss(self._outputs, y, weight)
            (self._graph,) = torch.autograd.grad(value, self._outputs, create_graph=twice)
        self.delta = self._graph.detach()

    def along(self, outputs_dot: Tensor) -> Tensor:
        if not self._graph.requires_grad:  # linear in the outputs
            return torch.zeros_like(outputs_dot)
        # The Hessian is symmetric.
        (found,) = torch.autograd.grad(self._graph, self._outputs, outputs_dot, materialize_grads=True)
        return found


class HeadLoss:
    """Gradient of one task's loss with respect to the embeddings and the head.

    Args:
        embedding: ``[n, e]``.
        head: Weight and bias, or nothing.
        y: ``[n]`` targets.
        weight: ``[n]`` weights.
        loss: The loss.
        twice: Keep the graph that ``along`` needs.
        centre: ``[n]`` weights of the rows whose mean is taken from the embeddings first; None takes none.

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
        centre: Tensor | None = None,
    ) -> None:
        self._head, self._centre = head, centre
        embedding = self._embedding = self._centred(embedding)
        outputs = _outputs(embedding, head)
        self._arguments = loss, outputs, y, weight
        self._loss = (
            _CrossEntropy(outputs, y, weight)
            if loss is cross_entropy
            else _AnyLoss(loss, outputs, y, weight, twice=twice)
        )
        delta = self._loss.delta
        self.d_embedding = self._led_back(delta @ head[0] if head else delta)
        self.d_head = self._flat((delta.T @ embedding, delta.sum(0)) if head else ())

    @property
    def value(self) -> Tensor:
        """The loss itself, a scalar."""
        loss, *arguments = self._arguments
        return loss(*arguments)

    def along(self, embedding_dot: Tensor, head_dot: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Derivatives of ``d_embedding`` and ``d_head`` along a direction of embeddings and head."""
        embedding_dot = self._centred(embedding_dot)
        outputs_dot = _outputs(embedding_dot, self._head[:1])
        if head_dot:
            outputs_dot = outputs_dot + _outputs(self._embedding, head_dot)
        delta, delta_dot = self._loss.delta, self._loss.along(outputs_dot)
        if not head_dot:
            return self._led_back(delta_dot), self._flat(())
        d_weight = delta_dot.T @ self._embedding + delta.T @ embedding_dot
        d_embedding = delta_dot @ self._head[0] + delta @ head_dot[0]
        return self._led_back(d_embedding), self._flat((d_weight, delta_dot.sum(0)))

    def _centred(self, embedding: Tensor) -> Tensor:
        return embedding if self._centre is None else embedding - self._centre @ embedding

    def _led_back(self, d_embedding: Tensor) -> Tensor:
        """Gradient before centring from that behind it."""
        if self._centre is None:
            return d_embedding
        return d_embedding - torch.outer(self._centre, d_embedding.sum(0))

    def _flat(self, values: Sequence[Tensor]) -> Tensor:
        """One vector; as many of the values as the head has parts."""
        kept = [value.flatten() for value in values[: len(self._head)]]
        return torch.cat(kept) if kept else self._embedding.new_zeros(0)
