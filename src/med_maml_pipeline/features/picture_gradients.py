"""Histograms of oriented gradients on a grid that follows the picture's size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["hog_features", "hog_names"]

ORIENTATIONS = 8
GRID = 4
BLOCK = 2
_VALUES = (GRID - BLOCK + 1) ** 2 * BLOCK**2 * ORIENTATIONS


def hog_names() -> tuple[str, ...]:
    """Names of the columns of `hog_features`: block by block, cell by cell, orientation by orientation."""
    return tuple(f"hog_{i}" for i in range(_VALUES))


def hog_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """HOG (Dalal and Triggs 2005, L2-Hys) of a grey square, ``[288]`` for every size.

    Eight orientations, so that a quarter turn maps one onto another; four by four cells of a quarter of the
    side each, normalised in blocks of two by two.

    Args:
        picture: ``[size, size]`` uint8.
    """
    from skimage.feature import hog

    cell = len(picture) // GRID
    values = hog(
        picture[: GRID * cell, : GRID * cell].astype(np.float64) / 255,
        orientations=ORIENTATIONS,
        pixels_per_cell=(cell, cell),
        cells_per_block=(BLOCK, BLOCK),
        block_norm="L2-Hys",
    )
    return np.asarray(values, dtype=np.float64)
