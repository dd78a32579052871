"""Shape of what stands out from the background: the morphology of a cell or lesion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["foreground", "shape_features", "shape_names"]

_NAMES = ("foreground", "parts", "area", "eccentricity", "solidity", "extent", "circularity", "holes")
_HU = 6
_SMALLEST = 1e-7


def shape_names() -> tuple[str, ...]:
    """Names of the columns of `shape_features`."""
    return (*(f"shape_{name}" for name in _NAMES), *(f"shape_hu_{i + 1}" for i in range(_HU)))


def foreground(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The side of Otsu's threshold (1979) that touches the border less; the darker one where both do alike.

    Args:
        picture: ``[h, w]`` uint8; a constant one has no foreground.
    """
    from skimage.filters import threshold_otsu

    if picture.min() == picture.max():
        return np.zeros(picture.shape, dtype=np.bool_)
    dark = picture <= threshold_otsu(picture)
    border = np.concatenate([dark[0], dark[-1], dark[1:-1, 0], dark[1:-1, -1]])
    return ~dark if 2 * int(border.sum()) > len(border) else dark


def shape_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Descriptors of the foreground and its largest part, ``[14]``; all 0 where there is none.

    Fraction of the picture that is foreground; logarithm of the number of parts; of the largest part: its
    fraction of the picture, eccentricity, solidity (convexity), share of its bounding box, circularity
    4 π area / perimeter² (Crofton), share of holes in it; and Hu's moments (1962) 1 to 6 on a logarithmic
    scale. Hu's seventh changes sign in a mirror image, so its mean over the views says nothing.

    Args:
        picture: ``[size, size]`` uint8.
    """
    from skimage.measure import label, regionprops

    mask = foreground(picture)
    parts = regionprops(label(mask))
    if not parts:
        return np.zeros(len(_NAMES) + _HU)
    largest = max(parts, key=lambda part: _rank(part, len(picture)))
    perimeter = largest.perimeter_crofton
    measures = [
        mask.mean(),
        np.log1p(len(parts)),
        largest.area / picture.size,
        _eccentricity(largest),
        largest.solidity,
        largest.extent,
        4 * np.pi * largest.area / perimeter**2 if perimeter > 0 else 0.0,
        1 - largest.area / largest.area_filled,
    ]
    hu = np.asarray(largest.moments_hu[:_HU])
    scaled = np.sign(hu) * np.log10(1 + np.abs(hu) / _SMALLEST)
    return np.concatenate([np.asarray(measures, dtype=np.float64), scaled])


def _rank(part: Any, size: int) -> tuple[int, int]:
    """By area, then by nearness to the centre: integers, so that the views agree."""
    return int(part.area), -int(((2 * part.coords - (size - 1)) ** 2).sum())


def _eccentricity(part: Any) -> float:
    """Of the ellipse with the part's second moments. The square root of a difference that rounding makes
    negative for discs is 0."""
    major, minor = part.inertia_tensor_eigvals
    return float(np.sqrt(max(0.0, 1 - minor / major))) if major > 0 else 0.0
