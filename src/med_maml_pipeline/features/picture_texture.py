"""Texture of a grey picture: local binary patterns, co-occurrence of grey levels, rings about the centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "cooccurrence_features",
    "cooccurrence_names",
    "pattern_features",
    "pattern_names",
    "radial_features",
    "radial_names",
]

PATTERNS = ((8, 1), (16, 2))
"""Neighbours and radius in pixels."""
LEVELS = 16
DISTANCES = (1, 2, 4)
ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
PROPERTIES = ("contrast", "correlation", "energy", "homogeneity")
RINGS = 6


def pattern_names() -> tuple[str, ...]:
    """Names of the columns of `pattern_features`."""
    return tuple(f"lbp_{radius}_{i}" for neighbours, radius in PATTERNS for i in range(neighbours + 2))


def pattern_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Histograms of uniform, rotation-invariant local binary patterns (Ojala et al. 2002), ``[28]``.

    Args:
        picture: ``[h, w]`` uint8.
    """
    from skimage.feature import local_binary_pattern

    codes = [
        (local_binary_pattern(picture, neighbours, radius, method="uniform"), neighbours + 2)
        for neighbours, radius in PATTERNS
    ]
    counts = [np.bincount(code.astype(np.int64).ravel(), minlength=bins) for code, bins in codes]
    return np.concatenate(counts) / picture.size


def cooccurrence_names() -> tuple[str, ...]:
    """Names of the columns of `cooccurrence_features`."""
    return tuple(f"glcm_{name}_{distance}" for name in PROPERTIES for distance in DISTANCES)


def cooccurrence_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Properties of the grey-level co-occurrence matrix (Haralick et al. 1973), ``[12]``.

    Sixteen levels; the mean over four symmetric directions, which the eight views only permute.

    Args:
        picture: ``[h, w]`` uint8, more than four pixels wide and high.
    """
    from skimage.feature import graycomatrix, graycoprops

    matrix = graycomatrix(picture // (256 // LEVELS), DISTANCES, ANGLES, LEVELS, symmetric=True, normed=True)
    return np.concatenate([graycoprops(matrix, name).mean(axis=1) for name in PROPERTIES])


def radial_names() -> tuple[str, ...]:
    """Names of the columns of `radial_features`."""
    return tuple(f"ring_{what}_{i}" for what in ("mean", "sd") for i in range(RINGS))


def radial_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and standard deviation of intensity in rings about the centre, ``[12]``, fractions of 255.

    A red cell's central pallor, or the ring of a target cell, is here. Rings are equally wide up to half the
    side; the corners belong to the outermost.

    Args:
        picture: ``[size, size]`` uint8.
    """
    size = len(picture)
    offsets = 2 * np.arange(size) - (size - 1)  # twice the distance, so that all is integer
    distance = np.sqrt(offsets[:, None] ** 2 + offsets[None, :] ** 2)
    ring = (distance * (RINGS / size)).astype(np.int64).clip(0, RINGS - 1).ravel()
    values = picture.ravel().astype(np.float64) / 255
    counts = np.bincount(ring, minlength=RINGS)
    mean = np.bincount(ring, values, RINGS) / counts
    spread = np.bincount(ring, (values - mean[ring]) ** 2, RINGS) / counts
    return np.concatenate([mean, np.sqrt(spread)])
