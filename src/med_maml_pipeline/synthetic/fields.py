"""Fields on a pixel grid: soft blobs, distances, and noise of a given grain."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blobs", "blur", "grain", "grid", "nearest_two", "paint"]

Floats = NDArray[np.float32]

Blobs = NDArray[np.float64]
"""``[k, 7]``: centre x and y, mean radius (all in shares of the picture's width), elongation (log ratio of
the axes), angle of the long axis, number of lobes, depth of the lobes (share of the radius)."""


@lru_cache(maxsize=4)
def grid(size: int) -> tuple[Floats, Floats]:
    """x ``[1, size]`` and y ``[size, 1]`` of the pixels' centres, from 0 to 1."""
    along = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return along[None, :], along[:, None]


def blur(picture: Floats, sigma: float) -> Floats:
    """``[h, h, c]`` under a Gaussian of ``sigma`` pixels; edges are mirrored."""
    size = picture.shape[0]
    pad = int(np.ceil(3.0 * sigma))
    taps = np.exp(-0.5 * (np.arange(-pad, pad + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    wide = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    rows = sum(tap * wide[i : i + size] for i, tap in enumerate(taps))
    return np.asarray(sum(tap * rows[:, i : i + size] for i, tap in enumerate(taps)), dtype=np.float32)


def grain(
    rng: np.random.Generator, size: int, width: float, length: float | None = None, angle: float = 0.0
) -> Floats:
    """Gaussian noise ``[size, size]`` of mean 0 and deviation 1.

    Args:
        rng: Generator.
        size: Height and width in pixels.
        width: Width of the grain, as a share of the picture.
        length: Length of the grain along ``angle``, where it is longer than wide: fibres.
        angle: Direction in radians.
    """
    white = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    down, along = np.fft.fftfreq(size)[:, None] * size, np.fft.rfftfreq(size)[None, :] * size
    forth = along * np.cos(angle) + down * np.sin(angle)
    aside = down * np.cos(angle) - along * np.sin(angle)
    power = (forth * (length or width)) ** 2 + (aside * width) ** 2
    noise = np.fft.irfft2(white * np.exp(-2.0 * power), s=(size, size)).astype(np.float32)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), dtype=np.float32)


def nearest_two(size: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """Distance ``[size, size]`` of each pixel to the nearest and the second nearest of k > 1 points."""
    across, down = grid(size)
    squared = (across[:, :, None] - x.astype(np.float32)) ** 2 + (
        down[:, :, None] - y.astype(np.float32)
    ) ** 2
    two = np.sqrt(np.partition(squared, 1, axis=2)[:, :, :2])
    return two[:, :, 0], two[:, :, 1]


def paint(size: int, blobs: Blobs, amount: NDArray[np.float64], soft: float = 1.0) -> tuple[Floats, Floats]:
    """Blobs on a grid by their signed distance, near enough for few lobes.

    Only a window around each blob is computed, for all blobs at once.

    Args:
        size: Height and width in pixels.
        blobs: The k blobs.
        amount: ``[k]`` height of each.
        soft: Width of the edge in pixels.

    Returns:
        ``[size, size]`` the largest amount at each pixel, 0 outside; and the depth below the nearest edge
        in shares of the radius, from 1 in a centre to 0 at and beyond an edge.
    """
    height, depth = np.zeros(size * size, np.float32), np.zeros(size * size, np.float32)
    if not len(blobs):
        return height.reshape(size, size), depth.reshape(size, size)
    x, y, radius, elongation, angle, lobes, lobe_depth = (column.astype(np.float32) for column in blobs.T)
    reach = float((radius * np.exp(np.abs(elongation) / 2) * (1 + lobe_depth)).max()) * size + soft + 1
    span = np.arange(-int(reach), int(reach) + 1)
    column = np.floor(x * size).astype(int)[:, None, None] + span[None, None, :]
    row = np.floor(y * size).astype(int)[:, None, None] + span[None, :, None]
    dx = (column + np.float32(0.5)) / size - x[:, None, None]
    dy = (row + np.float32(0.5)) / size - y[:, None, None]
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    half = np.exp(elongation / 2)[:, None, None]
    along, across = (dx * cosine + dy * sine) / half, (dy * cosine - dx * sine) * half
    distance = np.hypot(along, across)
    edge = radius[:, None, None]
    if lobe_depth.any():
        wave = np.cos(lobes[:, None, None] * np.arctan2(across, along))
        edge = edge * (1 + lobe_depth[:, None, None] * wave)
    inside = np.clip((edge - distance) * size / soft + np.float32(0.5), 0, 1)
    valid = (inside > 0) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    place = (row * size + column)[valid]
    full = np.broadcast_to(amount.astype(np.float32)[:, None, None], inside.shape)
    np.maximum.at(height, place, (inside * full)[valid])
    np.maximum.at(depth, place, np.clip(1 - distance / edge, 0, 1)[valid])
    return height.reshape(size, size), depth.reshape(size, size)
