"""Stains: from amounts of dye to colours, and which site uses which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["STAINS", "STAIN_SHARES", "Stain", "colour"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Stain:
    """A stain of three dyes.

    Attributes:
        name: Name.
        dyes: Absorption (or, where it glows, emission) of red, green and blue per unit of each dye.
        glows: Whether the dyes shine on black instead of absorbing white light.
    """

    name: str
    dyes: tuple[tuple[float, float, float], ...]
    glows: bool = False


STAINS: tuple[Stain, ...] = (
    Stain("he", ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))),
    Stain("pas", ((0.60, 0.58, 0.30), (0.18, 0.80, 0.16), (0.30, 0.95, 0.36))),
    Stain("if", ((0.12, 0.25, 1.0), (0.75, 0.16, 0.10), (0.10, 0.85, 0.25)), glows=True),
)
"""Haematoxylin, eosin and DAB with the optical densities of Ruifrok & Johnston (2001); haematoxylin and
periodic acid-Schiff; immunofluorescence (nuclei blue, matrix red, marker green)."""

STAIN_SHARES: tuple[tuple[float, ...], ...] = ((0.85, 0.10, 0.05), (0.65, 0.30, 0.05), (0.75, 0.05, 0.20))
"""Share of the stains at each site."""


def colour(stain: Stain, amounts: Floats) -> Floats:
    """Colours of a picture.

    Absorbing dyes follow Beer and Lambert: optical densities add up, light falls off exponentially (Ruifrok &
    Johnston, Analytical and Quantitative Cytology and Histology 2001).

    Args:
        stain: Stain.
        amounts: ``[h, w, 3]`` amount of each dye, from 0 to about 2.

    Returns:
        ``[h, w, 3]`` red, green and blue from 0 to 1.
    """
    density = amounts @ np.array(stain.dyes, dtype=np.float32)
    passed = np.exp(-density)
    return np.float32(1.0) - passed if stain.glows else passed
