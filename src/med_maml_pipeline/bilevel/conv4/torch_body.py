"""The body of `Conv4` in PyTorch: any width, any floating type, no compiler needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor, nn

from med_maml_pipeline.bilevel.conv4.block import Block, Weights, plain_block
from med_maml_pipeline.bilevel.conv4.layout import BLOCKS
from med_maml_pipeline.networks.conv import Conv4

__all__ = ["TorchBody"]

_CHUNK_VALUES = 1 << 19
"""Values of the first convolution that are computed at a time: 2 MiB in float32, so that a block's work stays
in the cache."""


class TorchBody:
    """The four blocks by PyTorch's convolutions (see `Body`).

    Args:
        network: The structure.
        width: Channels of every block.
    """

    order: ClassVar[tuple[int, ...]] = (0, 2, 3, 1)  # channels last in memory, without copies

    def __init__(self, network: Conv4, width: int) -> None:
        norm = network.get_submodule("body.0.1")
        assert isinstance(norm, nn.GroupNorm)
        _keep_freed_memory()
        self._shape, self._width = network.shape, width
        self._groups, self._eps = norm.num_groups, norm.eps
        self.rows = max(1, _CHUNK_VALUES // (width * network.shape[1] * network.shape[2]))
        self._blocks = [Block(self._groups, self._eps) for _ in range(BLOCKS)]

    def forward(self, x: Tensor, theta: Tensor) -> Tensor:
        """See `Body.forward`."""
        with torch.enable_grad():
            leaves = self._weights(theta, leaves=True)
            embedding = self._plain(x, leaves)
        self._graph = embedding, [part for weights in leaves for part in weights]
        return embedding.detach()

    def backward(self, theta: Tensor, d_embedding: Tensor) -> Tensor:
        """See `Body.backward`."""
        embedding, leaves = self._graph
        del self._graph
        return _flat(torch.autograd.grad(embedding, leaves, d_embedding))

    def linearise(self, x: Tensor, theta: Tensor) -> Tensor:
        """See `Body.linearise`."""
        value = self._pictures(x)
        for block, weights in zip(self._blocks, self._weights(theta), strict=True):
            value = block.linearise(value, weights)
        return value.flatten(1)

    def tangent(self, theta: Tensor, direction: Tensor) -> Tensor:
        """See `Body.tangent`."""
        value: Tensor | None = None
        points, directions = self._weights(theta), self._weights(direction)
        for block, weights, dots in zip(self._blocks, points, directions, strict=True):
            value = block.tangent(weights, dots, value)
        assert value is not None
        return value.flatten(1)

    def tangent_backward(
        self, theta: Tensor, direction: Tensor, d_embedding: Tensor, d_embedding_dot: Tensor
    ) -> Tensor:
        """See `Body.tangent_backward`."""
        d_value: Tensor | None = self._unflattened(d_embedding)
        d_dot: Tensor | None = self._unflattened(d_embedding_dot)
        points, directions = self._weights(theta), self._weights(direction)
        gradients: list[Tensor] = []
        for at in reversed(range(BLOCKS)):
            assert d_value is not None
            assert d_dot is not None
            d_value, d_dot, found = self._blocks[at].tangent_backward(
                points[at], directions[at], d_value, d_dot
            )
            gradients = found + gradients
        return _flat(gradients)

    def _plain(self, x: Tensor, weights: list[Weights]) -> Tensor:
        value = self._pictures(x)
        for of_block in weights:
            value = plain_block(value, of_block, self._groups, self._eps)
        return value.flatten(1)

    def _pictures(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self._shape).contiguous(memory_format=torch.channels_last)

    def _unflattened(self, value: Tensor) -> Tensor:
        rows, columns = self._shape[1] // 16, self._shape[2] // 16
        return value.reshape(-1, self._width, rows, columns).contiguous(memory_format=torch.channels_last)

    def _weights(self, vector: Tensor, *, leaves: bool = False) -> list[Weights]:
        """The weights of every block: views of the vector, or leaves of a graph on its numbers."""
        at, width, found = 0, self._width, []
        for block in range(BLOCKS):
            channels = self._shape[0] if block == 0 else width
            end = at + width * (9 * channels + 3)
            pieces = vector[at:end].detach().split([9 * channels * width, width, width, width])
            at = end
            weight = pieces[0].view(width, 3, 3, channels).permute(0, 3, 1, 2)
            weights = weight, pieces[1], pieces[2], pieces[3]
            for part in weights if leaves else ():
                part.requires_grad_()
            found.append(weights)
        return found


@cache
def _keep_freed_memory() -> None:
    """Has the allocator keep up to 32 MiB of freed memory: getting pages anew takes a tenth of the time.

    glibc raises its limits to the size of a block that is given back (twice that, for what it keeps; see
    ``M_MMAP_THRESHOLD`` in mallopt(3)). The block itself is never touched; other allocators do not mind.
    """
    torch.empty(16 << 20, dtype=torch.uint8)


def _flat(gradients: Sequence[Tensor]) -> Tensor:
    """Gradients as one vector, weights of convolutions in the body's order."""
    stored = (value.permute(TorchBody.order) if value.dim() == 4 else value for value in gradients)
    return torch.cat([value.reshape(-1) for value in stored])
