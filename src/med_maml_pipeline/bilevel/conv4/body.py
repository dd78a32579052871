"""What the sweeps over a `Conv4` ask of its four blocks, whoever computes it."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor

__all__ = ["Body"]


class Body(Protocol):
    """Four blocks and their derivatives.

    ``theta``, ``direction`` and gradients are vectors in the layout of the body, pictures are rows
    ``[n, channels · height · width]`` and embeddings ``[n, e]``. An object holds the activations of one
    ``forward`` or one ``linearise``, the last of both, and serves one thread.
    """

    order: ClassVar[tuple[int, ...]]
    """How the vectors hold the weights of convolutions (see `Layout`)."""

    rows: int
    """Most pictures of one ``forward`` that pay: their activations stay near the processor."""

    def forward(self, x: Tensor, theta: Tensor) -> Tensor:
        """Embeddings; keeps what ``backward`` needs."""

    def backward(self, theta: Tensor, d_embedding: Tensor) -> Tensor:
        """Gradient of the loss that has the gradient ``d_embedding`` at the last ``forward``'s embeddings."""

    def linearise(self, x: Tensor, theta: Tensor) -> Tensor:
        """Embeddings; keeps what ``tangent`` and ``tangent_backward`` need."""

    def tangent(self, theta: Tensor, direction: Tensor) -> Tensor:
        """Derivative of the embeddings along ``direction``; kept for ``tangent_backward``."""

    def tangent_backward(
        self, theta: Tensor, direction: Tensor, d_embedding: Tensor, d_embedding_dot: Tensor
    ) -> Tensor:
        """Derivative of ``backward`` along the direction of the last ``tangent``."""
