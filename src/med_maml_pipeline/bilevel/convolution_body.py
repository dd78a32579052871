"""What the sweeps over a `Conv4` ask of its four blocks, whoever computes it."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor

__all__ = ["Body"]


class Body(Protocol):
    """Four blocks with derivatives written out by hand; holds the activations of the last ``forward``.

    ``theta``, ``direction`` and gradients are vectors in the layout of the body, pictures are rows
    ``[n, channels · height · width]`` and embeddings ``[n, e]``. A point is the pair of pictures and
    ``theta`` of the last ``forward``. One object serves one thread.
    """

    order: ClassVar[tuple[int, ...]]
    """How the vectors hold the weights of convolutions (see `Layout`)."""

    def forward(self, x: Tensor, theta: Tensor) -> Tensor:
        """Embeddings; keeps what the derivatives at this point need."""

    def backward(self, theta: Tensor, d_embedding: Tensor) -> Tensor:
        """Gradient of the loss whose gradient at the embeddings is ``d_embedding``."""

    def tangent(self, theta: Tensor, direction: Tensor) -> Tensor:
        """Derivative of the embeddings along ``direction``; kept for ``tangent_backward``."""

    def tangent_backward(
        self, theta: Tensor, direction: Tensor, d_embedding: Tensor, d_embedding_dot: Tensor
    ) -> Tensor:
        """Derivative of ``backward`` along the direction of the last ``tangent``."""

    def embed(self, x: Tensor, theta: Tensor) -> Tensor:
        """Embeddings of any number of pictures; little memory, nothing kept."""

    def pull_back(self, x: Tensor, theta: Tensor, d_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Results of ``forward`` and ``backward`` for any number of pictures; little memory, nothing kept."""
