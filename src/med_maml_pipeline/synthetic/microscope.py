"""A scene of tissue as amounts of three dyes, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.appearance import factor
from med_maml_pipeline.synthetic.fields import grain, nearest_two, paint
from med_maml_pipeline.synthetic.tissue import Scene, Tissue

__all__ = ["dye"]

Floats = NDArray[np.float32]
Look = NDArray[np.float64]


def dye(rng: np.random.Generator, tissue: Tissue, scene: Scene, look: Look, size: int) -> Floats:
    """Amounts ``[size, size, 3]`` of nuclear, matrix and marker dye.

    Args:
        rng: Generator of the picture.
        tissue: Tissue of the organ.
        scene: Where cells and cavities lie.
        look: Factors of appearance: texture and uptake of dye.
        size: Height and width in pixels.
    """
    nuclei, depth = paint(size, scene.nuclei, scene.shades, soft=1.4 * size / 64)
    body = _smear(scene, size) if tissue.smear else _matrix(rng, tissue, scene, look, size)
    holes, _ = paint(size, scene.vacuoles, np.ones(len(scene.vacuoles)), soft=1.5 * size / 64)
    granules = np.clip(0.16 + 0.11 * factor(look, "granularity"), 0.0, 0.6) * grain(rng, size, 0.012)
    body = body * np.clip(1.0 + granules, 0.0, 2.5) * (1.0 - holes)

    coarseness = factor(look, "coarseness")
    clumps = grain(rng, size, 0.016 * np.exp(0.3 * coarseness))
    chromatin = np.clip(1.0 + (0.24 + 0.09 * coarseness) * clumps - 0.25 * depth, 0.1, 2.5)
    nuclear = 1.15 * np.exp(0.17 * factor(look, "nuclear_uptake")) * nuclei * chromatin
    matrix = np.exp(0.17 * factor(look, "matrix_uptake")) * body * (1.0 - 0.6 * np.minimum(nuclei, 1.0))

    level = 0.16 * np.exp(0.45 * factor(look, "marker_uptake"))
    marker = level * np.clip(0.4 + grain(rng, size, 0.03), 0.0, 2.5) * np.minimum(body + nuclei, 1.0)
    haze = 0.05 * body
    return np.stack([nuclear + haze, matrix, marker], axis=-1).astype(np.float32)


def _matrix(rng: np.random.Generator, tissue: Tissue, scene: Scene, look: Look, size: int) -> Floats:
    """Cytoplasm, borders and fibres, with the cavities cut out."""
    strength = np.clip(tissue.fibres + 0.13 * factor(look, "fibres"), 0.0, 1.2)
    strands = np.clip(grain(rng, size, 0.014, 0.11, scene.angle) - 0.3, 0.0, 2.5)
    body = tissue.matrix * (1.0 + 0.12 * grain(rng, size, 0.08)) + 0.55 * strength * strands
    if tissue.borders:
        near, second = nearest_two(size, scene.nuclei[:, 0], scene.nuclei[:, 1])
        body = body + tissue.borders * np.exp(-(((second - near) / 0.02) ** 2))
    cavities, _ = paint(size, scene.cavities, np.ones(len(scene.cavities)), soft=1.5 * size / 64)
    body = body * (1.0 - cavities) + tissue.filling * cavities
    tuft, _ = paint(size, scene.tuft, np.ones(len(scene.tuft)), soft=1.5 * size / 64)
    return np.asarray(body * (1.0 - tuft) + 0.8 * tissue.matrix * tuft, dtype=np.float32)


def _smear(scene: Scene, size: int) -> Floats:
    """Red cells with their pale middle, and the pale bodies of white cells, on clear glass."""
    red, middle = paint(size, scene.cavities, np.full(len(scene.cavities), 0.75), soft=1.2 * size / 64)
    body = red * (1.0 - 0.6 * np.clip(2.0 * middle - 0.6, 0.0, 1.0))
    white = scene.nuclei.copy()
    white[:, 2] *= 1.55
    white[:, 6] = 0.0
    halo, _ = paint(size, white, np.ones(len(white)), soft=1.5 * size / 64)
    return np.asarray(body * (1.0 - halo) + 0.28 * halo, dtype=np.float32)
