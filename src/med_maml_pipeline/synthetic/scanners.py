"""Scanners: each site's own white balance, blur, shading and noise, a shift between sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.fields import blur

__all__ = ["SCANNERS", "Scanner", "digitise"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scanner:
    """What a site's scanner does to light.

    Attributes:
        balance: Factor on red, green and blue (their mean on grey).
        gamma: Exponent of the tone curve.
        blur: Deviation of the point spread, in 64ths of the picture's width.
        shading: Loss of light in the corners, as a share.
        noise: Deviation of the noise, in shares of full scale.
    """

    balance: tuple[float, float, float]
    gamma: float
    blur: float
    shading: float
    noise: float


SCANNERS: tuple[Scanner, ...] = (
    Scanner((1.0, 0.99, 1.0), 1.0, 0.35, 0.04, 0.012),
    Scanner((1.0, 0.95, 0.88), 1.12, 0.6, 0.1, 0.02),
    Scanner((0.9, 0.97, 1.0), 0.88, 0.85, 0.22, 0.035),
)
"""One per site: new and sharp; warm and dark; cold, soft and noisy."""


def digitise(rng: np.random.Generator, scanner: Scanner, light: Floats) -> NDArray[np.uint8]:
    """The picture that a scanner makes of ``[h, w, c]`` light from 0 to 1; c is 1 or 3."""
    size, channels = light.shape[0], light.shape[2]
    balance = np.array(scanner.balance if channels == 3 else [np.mean(scanner.balance)], dtype=np.float32)
    balance *= rng.normal(1.0, 0.015, channels)
    seen = blur(light, scanner.blur * size / 64) ** np.float32(scanner.gamma) * balance
    along = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    shade = 1.0 - scanner.shading * (along[:, None] ** 2 + along[None, :] ** 2) / 2.0
    noise = rng.standard_normal(light.shape, dtype=np.float32) * np.float32(scanner.noise)
    return (255.0 * np.clip(seen * shade[:, :, None] + noise, 0.0, 1.0) + 0.5).astype(np.uint8)
