"""Rotations and reflections of pictures that come as rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["dihedral_views", "turned"]

N_VIEWS = 8


def dihedral_views(rows: Tensor, image: Sequence[int]) -> list[Tensor]:
    """The 8 views of the dihedral group of the square: four rotations, each with its mirror image.

    Args:
        rows: ``[n, channels · side · side]`` pictures.
        image: Channels, height and width; height and width are equal.
    """
    return [_view(rows, image, number) for number in range(N_VIEWS)]


def turned(rows: Tensor, image: Sequence[int], rng: np.random.Generator) -> Tensor:
    """Every picture in a view of its own, drawn at random, and moved by up to a sixteenth of its side.

    What leaves on one side comes in on the other; so nothing must be invented at the border.
    """
    drawn = torch.from_numpy(rng.integers(N_VIEWS, size=len(rows)))
    reach = image[1] // 16
    shift = tuple(int(step) for step in rng.integers(-reach, reach, size=2, endpoint=True))
    result = torch.empty_like(rows)
    for number in range(N_VIEWS):
        mine = drawn == number
        if mine.any():
            result[mine] = _view(rows[mine], image, number)
    return result.reshape(-1, *image).roll(shift, (-2, -1)).flatten(1)


def _view(rows: Tensor, image: Sequence[int], number: int) -> Tensor:
    pictures = rows.reshape(-1, *image).rot90(number % 4, (-2, -1))
    return (pictures.flip(-1) if number >= 4 else pictures).flatten(1)
