"""Organs in a grey scan: outlines, parenchyma, lesions and cysts, bent by the same factors as on slides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.appearance import factor
from med_maml_pipeline.synthetic.fields import Blobs, grain, paint

__all__ = ["ANATOMIES", "Anatomy", "Part", "section"]

Floats = NDArray[np.float32]
Look = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One outline: centre, radius (shares of the width), log ratio of the axes, angle, grey level, role.

    Attributes:
        role: ``organ`` is bent by disease and carries texture and lesions; ``hollow`` lies in it, a
            chamber or a vessel; ``other`` is drawn as it is.
    """

    x: float
    y: float
    radius: float
    elongation: float
    angle: float
    level: float
    role: Literal["organ", "hollow", "other"]


@dataclass(frozen=True)
class Anatomy:
    """Parts in the order of drawing, on a body of some grey level."""

    body: float
    parts: tuple[Part, ...]


ANATOMIES: dict[str, Anatomy] = {
    "cardiac": Anatomy(
        0.22,
        (
            Part(0.33, 0.50, 0.20, 0.5, 1.7, 0.70, "other"),
            Part(0.56, 0.52, 0.25, 0.1, 0.3, 0.42, "organ"),
            Part(0.56, 0.52, 0.14, 0.1, 0.3, 0.80, "hollow"),
        ),
    ),
    "pulmonary": Anatomy(
        0.55,
        (
            Part(0.29, 0.50, 0.19, 0.6, 1.5, 0.20, "organ"),
            Part(0.71, 0.50, 0.19, 0.6, 1.6, 0.20, "organ"),
            Part(0.54, 0.50, 0.10, 0.3, 1.2, 0.62, "other"),
            Part(0.50, 0.83, 0.06, 0.1, 0.0, 0.90, "other"),
        ),
    ),
    "hepatic": Anatomy(
        0.30,
        (
            Part(0.42, 0.45, 0.29, 0.4, 0.4, 0.55, "organ"),
            Part(0.50, 0.50, 0.045, 0.6, 2.2, 0.70, "hollow"),
            Part(0.36, 0.38, 0.035, 0.8, 0.8, 0.70, "hollow"),
            Part(0.60, 0.82, 0.07, 0.1, 0.0, 0.90, "other"),
        ),
    ),
    "renal": Anatomy(
        0.28,
        (
            Part(0.52, 0.50, 0.26, 0.6, 1.2, 0.60, "organ"),
            Part(0.57, 0.52, 0.11, 0.7, 1.2, 0.38, "hollow"),
            Part(0.15, 0.70, 0.10, 0.1, 0.0, 0.80, "other"),
        ),
    ),
}
"""Loosely after a short axis of the heart, a section of the chest, one of the upper abdomen, and a kidney."""


def section(rng: np.random.Generator, anatomy: Anatomy, look: Look, size: int) -> Floats:
    """Light ``[size, size, 1]`` from 0 to 1 of one section through the body."""
    edge = 1.5 * size / 64
    frame = np.array([[0.5, 0.5, 0.45, 0.15, 0.0, 2.0, 0.02]])
    body, _ = paint(size, frame, np.ones(1), soft=edge)
    picture: Floats = np.float32(0.03) + anatomy.body * body * (1.0 + 0.08 * grain(rng, size, 0.05))
    moved = rng.normal(0.0, 0.025, 2)
    organ = np.zeros((size, size), np.float32)
    for part in anatomy.parts:
        outline = _outline(rng, part, look, moved)
        mask, depth = paint(size, outline, np.ones(1), soft=edge)
        inner: Floats | float = part.level
        if part.role == "organ":
            inner = _parenchyma(rng, part.level, look, depth)
            organ = np.maximum(organ, mask)
        elif part.role == "hollow":
            organ = organ * (1.0 - mask)
        picture = np.asarray(picture * (1.0 - mask) + inner * mask, dtype=np.float32)
    return np.asarray(_with_lesions(rng, picture, organ, look)[:, :, None], dtype=np.float32)


def _outline(rng: np.random.Generator, part: Part, look: Look, moved: NDArray[np.float64]) -> Blobs:
    bent = part.role != "other"
    radius = part.radius * np.exp(rng.normal(0.0, 0.04))
    elongation, lobes = part.elongation + rng.normal(0.0, 0.06), 0.03
    if bent:
        sign = 1.0 if part.role == "organ" else -1.0  # a swollen wall narrows what it encloses
        radius *= np.exp(sign * 0.06 * factor(look, "size"))
        elongation += 0.1 * factor(look, "eccentricity")
        lobes = float(np.clip(0.05 + 0.035 * factor(look, "lobulation"), 0.0, 0.2))
    angle = part.angle + rng.normal(0.0, 0.12)
    return np.array(
        [[part.x + moved[0], part.y + moved[1], radius, elongation, angle, rng.integers(3, 7), lobes]]
    )


def _parenchyma(rng: np.random.Generator, level: float, look: Look, depth: Floats) -> Floats:
    """Grey level of an organ with its grain, its strands and its rim."""
    size = len(depth)
    grains = grain(rng, size, 0.025 * np.exp(0.3 * factor(look, "coarseness")))
    strands = np.clip(grain(rng, size, 0.014, 0.08, rng.uniform(0.0, np.pi)) - 0.5, 0.0, 2.5)
    rim = np.exp(-((depth / 0.16) ** 2))
    inner = level * np.exp(0.1 * factor(look, "nuclear_uptake"))
    inner = inner + np.clip(0.04 + 0.022 * factor(look, "granularity"), 0.0, 0.15) * grains
    inner = inner + np.clip(0.08 + 0.06 * factor(look, "fibres"), 0.0, 0.35) * strands
    return np.asarray(inner + 0.06 * factor(look, "matrix_uptake") * rim, dtype=np.float32)


def _with_lesions(rng: np.random.Generator, picture: Floats, organ: Floats, look: Look) -> Floats:
    """Bright or dark foci and dark cysts, in the organ alone."""
    contrast = 0.14 + 0.06 * factor(look, "marker_uptake")
    spread = float(np.clip(0.25 + 0.12 * factor(look, "pleomorphism"), 0.02, 0.7))
    foci = _inside(rng, organ, rng.poisson(4.0 * np.exp(0.35 * factor(look, "number"))), 0.035, spread)
    cysts = _inside(rng, organ, rng.poisson(2.0 * np.exp(0.45 * factor(look, "vacuoles"))), 0.03, 0.2)
    size = len(picture)
    bright, _ = paint(size, foci, np.ones(len(foci)), soft=2.0 * size / 64)
    dark, _ = paint(size, cysts, np.ones(len(cysts)), soft=1.5 * size / 64)
    picture = picture + contrast * bright * organ
    return np.asarray(np.clip(picture * (1.0 - 0.6 * dark * organ), 0.0, 1.0), dtype=np.float32)


def _inside(rng: np.random.Generator, organ: Floats, count: int, radius: float, spread: float) -> Blobs:
    """Round blobs whose centres lie in the organ; none where nothing of it is left."""
    size = len(organ)
    place = np.flatnonzero(organ > 0.7)
    if not len(place):
        return np.empty((0, 7))
    chosen = rng.choice(place, count)
    blobs = np.zeros((count, 7))
    blobs[:, 0], blobs[:, 1] = (chosen % size + 0.5) / size, (chosen // size + 0.5) / size
    blobs[:, 2] = radius * np.exp(rng.normal(0.0, spread, count))
    return blobs
