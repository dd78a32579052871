"""The four-block convolutional network of the few-shot literature, without batch statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Conv4"]


class Conv4(nn.Module):
    """Four blocks of 3×3 convolution, group normalisation, ReLU and 2×2 max-pooling, then a linear head.

    The architecture of Vinyals et al. (2016) with group normalisation (Wu & He 2018) in place of batch
    normalisation, which would make a query's prediction depend on the other queries. Built on the meta
    device like `MLP`.

    Args:
        channels: Channels of the image.
        size: Height and width in pixels, at least 16.
        width: Channels of every block, a multiple of ``groups``.
        outputs: Width of the head.
        groups: Groups of the normalisation.
    """

    def __init__(self, channels: int, size: int, width: int, outputs: int, groups: int = 4) -> None:
        super().__init__()
        if size < 16:
            raise ValueError(f"four poolings need images of at least 16 pixels, got {size}")
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
            self.head = nn.Linear(width * (size // 16) ** 2, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[n, channels, size, size]`` to outputs ``[n, outputs]``."""
        output: Tensor = self.head(self.body(x))
        return output
