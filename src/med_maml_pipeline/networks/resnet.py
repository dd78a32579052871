"""The twelve-layer residual network of the few-shot literature, without batch statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ResNet12"]

_WIDENING = (1.0, 2.5, 5.0, 10.0)  # 64, 160, 320 and 640 channels in the literature


class ResNet12(nn.Module):
    """Four residual blocks of three 3×3 convolutions, global average pooling, then a linear head.

    ResNet-12 as in Oreshkin et al. (2018) and Lee et al. (2019), with group normalisation (Wu & He 2018) in
    place of batch normalisation and without drop-block. Built on the meta device like `MLP`.

    Args:
        shape: Channels, height and width of the picture; height and width at least 16.
        width: Channels of the first block (64 in the literature), a multiple of ``2 · groups``.
        outputs: Width of the head; None leaves it out, so that the output is the embedding.
        groups: Groups of the normalisation.

    Attributes:
        embedding: Width of the embedding, ten times ``width``.
        head_path: Module path of the head.
    """

    head_path = "head"

    def __init__(self, shape: tuple[int, int, int], width: int, outputs: int | None, groups: int = 4) -> None:
        super().__init__()
        channels, height, breadth = shape
        if min(height, breadth) < 16:
            raise ValueError(f"four poolings need pictures of at least 16 pixels, got {min(height, breadth)}")
        if width % (2 * groups):
            raise ValueError(f"the width must be a multiple of {2 * groups}, got {width}")
        self.shape = shape
        widths = [int(width * factor) for factor in _WIDENING]
        self.embedding = widths[-1]
        with torch.device("meta"):
            entering = [channels, *widths[:-1]]
            blocks = [_Residual(a, b, groups) for a, b in zip(entering, widths, strict=True)]
            self.body = nn.Sequential(*blocks)
            self.head = nn.Identity() if outputs is None else nn.Linear(self.embedding, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures as rows ``[n, channels · height · width]`` to outputs ``[n, outputs]``."""
        features = self.body(x.reshape(-1, *self.shape)).mean(dim=(-2, -1))
        output: Tensor = self.head(features)
        return output


class _Residual(nn.Module):
    """Three convolutions beside a 1×1 shortcut, leaky ReLU (slope 0.1), 2×2 max-pooling."""

    def __init__(self, entering: int, width: int, groups: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(3):
            layers += [
                nn.Conv2d(entering if number == 0 else width, width, 3, padding=1, bias=False),
                nn.GroupNorm(groups, width),
            ]
            if number < 2:
                layers.append(nn.LeakyReLU(0.1))
        self.path = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(nn.Conv2d(entering, width, 1, bias=False), nn.GroupNorm(groups, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.leaky_relu(self.path(x) + self.shortcut(x), 0.1), 2)
