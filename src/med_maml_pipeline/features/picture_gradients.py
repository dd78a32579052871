"""Histograms of oriented gradients on a grid that follows the picture's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["hog_features", "hog_names", "mean_hog"]

ORIENTATIONS = 8
GRID = 4
BLOCK = 2
_BLOCKS = GRID - BLOCK + 1
_COLUMNS = np.arange(_BLOCKS**2 * BLOCK**2 * ORIENTATIONS).reshape(_BLOCKS, _BLOCKS, -1)
_DISTINCT = np.concatenate([_COLUMNS[0, 0], _COLUMNS[0, 1], _COLUMNS[1, 1]])
"""Corner, edge and centre: in the mean over eight views the other six blocks hold the same again."""


def hog_names(views: int) -> tuple[str, ...]:
    """Names of the columns of `mean_hog`: block by block, cell by cell, orientation by orientation."""
    return tuple(f"hog_{i}" for i in (_DISTINCT if views == 8 else _COLUMNS.ravel()))


def mean_hog(views: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Mean of `hog_features` over one or eight views: ``[288]`` for one, the distinct ``[96]`` for eight."""
    mean = np.mean([hog_features(view) for view in views], axis=0)
    return mean[_DISTINCT] if len(views) == 8 else mean


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
