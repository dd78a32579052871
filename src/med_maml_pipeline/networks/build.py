"""The network that fits the inputs: a perceptron for rows of numbers, a convolutional one for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from med_maml_pipeline.networks.conv import Conv4
from med_maml_pipeline.networks.mlp import MLP
from med_maml_pipeline.networks.resnet import ResNet12

__all__ = ["BACKBONES", "Network", "build_network"]

Network: TypeAlias = MLP | Conv4 | ResNet12
"""What learners train: takes rows ``[n, width]``, knows its ``embedding`` and its ``head_path``."""

BACKBONES: dict[str, type[Conv4] | type[ResNet12]] = {"conv4": Conv4, "resnet12": ResNet12}
"""Networks for pictures by name."""


def build_network(
    width: int,
    image: Sequence[int] | None,
    *,
    hidden: Sequence[int],
    backbone: str,
    filters: int,
    outputs: int | None,
) -> Network:
    """Builds the structure on the meta device.

    Args:
        width: Width of the input rows.
        image: Channels, height and width where rows are pictures; None elsewhere.
        hidden: Widths of the hidden layers of the perceptron.
        backbone: Network for pictures, a key of `BACKBONES`.
        filters: Its (first) number of channels.
        outputs: Width of the head; None for the embedding.

    Raises:
        ValueError: no such backbone, or a picture too small for it.
    """
    if image is None:
        return MLP(width, hidden, outputs)
    if backbone not in BACKBONES:
        raise ValueError(f"unknown backbone '{backbone}'; expected one of: {', '.join(BACKBONES)}")
    channels, height, breadth = image
    return BACKBONES[backbone]((channels, height, breadth), filters, outputs)
