"""Tissue of each organ under the microscope: where its cells and cavities lie, and their shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.appearance import factor
from med_maml_pipeline.synthetic.fields import Blobs

__all__ = ["TISSUES", "Scene", "Tissue", "lay_out"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tissue:
    """The healthy tissue of an organ; lengths are shares of the picture's width.

    Attributes:
        cells: Number of nuclei.
        radius: Radius of a nucleus.
        elongation: Log ratio of its axes.
        cavities: Number of cavities: tubules, follicles, alveoli; in a smear the red cells.
        cavity_radius: Their radius.
        rim: Share of the nuclei that line cavities.
        filling: Amount of matrix dye in cavities: 0 is empty, colloid is about 0.9.
        matrix: Amount of matrix dye between the cells.
        borders: Strength of the cell borders.
        fibres: Strength of the fibres.
        tuft: Whether the first cavity holds a glomerulus.
        smear: Whether cells lie scattered on glass, red ones among them.
    """

    cells: int
    radius: float
    elongation: float = 0.3
    cavities: int = 0
    cavity_radius: float = 0.1
    rim: float = 0.0
    filling: float = 0.0
    matrix: float = 0.5
    borders: float = 0.0
    fibres: float = 0.2
    tuft: bool = False
    smear: bool = False


TISSUES: dict[str, Tissue] = {
    "renal": Tissue(52, 0.036, 0.25, 6, 0.085, 0.6, 0.06, 0.6, 0.1, 0.15, tuft=True),
    "hepatic": Tissue(34, 0.046, 0.15, 2, 0.05, 0.1, 0.0, 0.62, 0.35, 0.12),
    "endocrine": Tissue(58, 0.034, 0.25, 4, 0.17, 0.8, 0.75, 0.5, 0.05, 0.2),
    "blood": Tissue(5, 0.105, 0.2, 26, 0.075, 0.0, 0.5, 0.0, 0.0, 0.0, smear=True),
    "immune": Tissue(110, 0.034, 0.15, 0, 0.1, 0.0, 0.0, 0.4, 0.0, 0.25),
    "cardiac": Tissue(26, 0.032, 1.0, 0, 0.1, 0.0, 0.0, 0.7, 0.0, 0.6),
    "pulmonary": Tissue(40, 0.032, 0.35, 5, 0.2, 0.75, 0.0, 0.45, 0.0, 0.3),
}
"""Loosely after textbook kidney cortex, liver, thyroid, blood smear, lymph node, heart and lung."""


@dataclass(frozen=True)
class Scene:
    """Where everything lies.

    Attributes:
        nuclei: The nuclei.
        shades: ``[k]`` how strongly each takes up dye.
        cavities: Cavities, or red cells.
        vacuoles: Small holes in the cells.
        tuft: A glomerulus, or nothing.
        angle: Direction of the fibres.
    """

    nuclei: Blobs
    shades: Floats
    cavities: Blobs
    vacuoles: Blobs
    tuft: Blobs
    angle: float


def lay_out(rng: np.random.Generator, tissue: Tissue, look: Floats) -> Scene:
    """Places the cells of one picture: ``look`` bends number, size, elongation, lobes and their spread."""
    angle = rng.uniform(0.0, np.pi)
    shrink = np.exp(0.06 * factor(look, "number"))  # where cells are many, cavities are narrow
    cavities = _blobs(rng, _lattice(rng, tissue.cavities, 0.25), tissue.cavity_radius / shrink, spread=0.15)
    tuft = cavities[:0]
    if tissue.tuft and len(cavities):
        cavities[0, 2] = 0.17
        tuft = cavities[:1].copy()
        tuft[:, 2] *= 0.8
    count = max(3, int(round(tissue.cells * np.exp(0.22 * factor(look, "number")))))
    lining = int(round(count * tissue.rim)) if len(cavities) else 0
    rim, along = _on_rims(rng, cavities, lining)
    loose = _lattice(rng, count - lining, 0.4)
    hollow = cavities[len(tuft) :] if not tissue.smear else cavities[:0]
    loose = loose[_outside(loose, hollow)]
    directions = rng.normal(angle, 0.25 if tissue.elongation > 0.8 else 2.0, len(loose))
    nuclei = _blobs(
        rng,
        np.concatenate([rim, loose]),
        tissue.radius * np.exp(0.17 * factor(look, "size")),
        spread=float(np.clip(0.14 + 0.08 * factor(look, "pleomorphism"), 0.02, 0.5)),
        elongation=max(0.0, tissue.elongation + 0.22 * factor(look, "eccentricity")),
        lobes=float(np.clip((0.2 if tissue.smear else 0.1) + 0.08 * factor(look, "lobulation"), 0.0, 0.45)),
    )
    nuclei[:, 4] = np.concatenate([along, directions])
    vacuoles = rng.random((rng.poisson(5.0 * np.exp(0.6 * factor(look, "vacuoles"))), 2))
    return Scene(
        nuclei=nuclei,
        shades=np.exp(rng.normal(0.0, 0.12, len(nuclei))),
        cavities=cavities,
        vacuoles=_blobs(rng, vacuoles, 0.026, spread=0.25),
        tuft=tuft,
        angle=angle,
    )


def _blobs(
    rng: np.random.Generator,
    centres: Floats,
    radius: float,
    *,
    spread: float,
    elongation: float = 0.15,
    lobes: float = 0.04,
) -> Blobs:
    n = len(centres)
    blobs = np.empty((n, 7))
    blobs[:, :2] = centres
    blobs[:, 2] = radius * np.exp(rng.normal(0.0, spread, n))
    blobs[:, 3] = np.abs(elongation + rng.normal(0.0, 0.12, n))
    blobs[:, 4] = rng.uniform(0.0, np.pi, n)
    blobs[:, 5] = rng.integers(2, 5, n)
    blobs[:, 6] = lobes * rng.uniform(0.6, 1.4, n)
    return blobs


def _lattice(rng: np.random.Generator, count: int, jitter: float) -> Floats:
    """``[count, 2]`` points apart from each other: a shaken lattice, a little over the edge."""
    side = max(1, int(np.ceil(np.sqrt(1.25 * max(count, 1)))))
    along = (np.arange(side) + 0.5) / side * 1.1 - 0.05
    points = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    points[:, 0] += np.repeat(rng.uniform(-0.5, 0.5, side), side) / side
    points += rng.uniform(-jitter, jitter, points.shape) / side
    return points[rng.permutation(len(points))[:count]]


def _on_rims(rng: np.random.Generator, cavities: Blobs, count: int) -> tuple[Floats, Floats]:
    """Points around cavities, by circumference, and the direction of the rim there."""
    if not count:
        return np.empty((0, 2)), np.empty(0)
    share = cavities[:, 2] / cavities[:, 2].sum()
    owner = np.sort(rng.choice(len(cavities), count, p=share))
    first = np.searchsorted(owner, owner)
    members = np.bincount(owner, minlength=len(cavities))[owner]
    turn = 2.0 * np.pi * (np.arange(count) - first + rng.uniform(-0.25, 0.25, count)) / members
    out = cavities[owner, 2] * rng.uniform(1.1, 1.35, count)
    centres = cavities[owner, :2] + out[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return centres, turn + np.pi / 2.0


def _outside(points: Floats, cavities: Blobs) -> NDArray[np.bool_]:
    apart = np.hypot(*(points[:, None, :] - cavities[None, :, :2]).transpose(2, 0, 1))
    return np.asarray((apart > cavities[:, 2]).all(axis=1))
