"""The four-block convolutional network of the few-shot literature, without batch statistics."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Conv4"]


class Conv4(nn.Module):
    """Four blocks of 3×3 convolution, group normalisation, ReLU and 2×2 max-pooling, then a linear head.

    The architecture of Vinyals et al. (2016) with group normalisation (Wu & He 2018) in place of batch
    normalisation, which would make a query's prediction depend on the other queries. Built on the meta
    device like `MLP`.

    Args:
        shape: Channels, height and width of the picture; height and width at least 16.
        width: Channels of every block, a multiple of ``groups``.
        outputs: Width of the head; None leaves it out, so that the output is the embedding.
        groups: Groups of the normalisation.

    Attributes:
        embedding: Width of the embedding.
        head_path: Module path of the head.
    """

    head_path = "head"

    def __init__(self, shape: tuple[int, int, int], width: int, outputs: int | None, groups: int = 4) -> None:
        super().__init__()
        channels, height, breadth = shape
        if min(height, breadth) < 16:
            raise ValueError(f"four poolings need pictures of at least 16 pixels, got {min(height, breadth)}")
        self.shape = shape
        self.embedding = width * math.prod(side // 16 for side in (height, breadth))
        with torch.device("meta"):
            blocks = [
                nn.Sequential(
                    nn.Conv2d(channels if block == 0 else width, width, 3, padding=1),
                    nn.GroupNorm(groups, width),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
                for block in range(4)
            ]
            self.body = nn.Sequential(*blocks, nn.Flatten())
            self.head = nn.Identity() if outputs is None else nn.Linear(self.embedding, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures as rows ``[n, channels · height · width]`` to outputs ``[n, outputs]``."""
        output: Tensor = self.head(self.body(x.reshape(-1, *self.shape)))
        return output
