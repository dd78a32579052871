"""What diseases do to the look of an organ: shape, texture and colour, graded by severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.cohort import Specimens, draw_specimens
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.world import World, make_world

__all__ = ["FACTORS", "Plan", "appearance_effects", "factor", "plan_pictures"]

Floats = NDArray[np.float64]

FACTORS: dict[str, str] = {
    "size": "shape",
    "eccentricity": "shape",
    "lobulation": "shape",
    "number": "shape",
    "pleomorphism": "shape",
    "coarseness": "texture",
    "granularity": "texture",
    "fibres": "texture",
    "vacuoles": "texture",
    "nuclear_uptake": "colour",
    "matrix_uptake": "colour",
    "marker_uptake": "colour",
}
"""Factors of appearance by kind. One unit is about what the eye just notices."""

_PER_KIND = {"shape": 3, "texture": 2, "colour": 2}  # how many factors of each kind a disease moves
_STRENGTH = (0.6, 1.2)  # effect per unit of severity
_RARITY = 0.15  # the rarer half of the diseases marks the organ the more clearly
_PATIENT, _PICTURE = 0.45, 0.45  # deviations between patients and between pictures of one patient


@dataclass(frozen=True)
class Plan:
    """What each of n pictures is to show, before any is drawn.

    Attributes:
        specimens: Patients and classes.
        looks: ``[n, len(FACTORS)]`` factors of appearance: disease, patient and picture together.
    """

    specimens: Specimens
    looks: Floats


def factor(look: Floats, name: str) -> float:
    """One factor of a picture's look, kept within what can be drawn."""
    return float(np.clip(look[list(FACTORS).index(name)], -3.0, 3.0))


def appearance_effects(world: World, seed: int) -> Floats:
    """Shift of each factor per unit of severity, ``[D, len(FACTORS)]``. Slides and scans share it.

    Diseases of one family have part of their direction in common, as in the record: they strain one organ.
    """
    rng = generator(seed, Stream.APPEARANCES)
    shared = np.stack([_marks(rng) for _ in FAMILIES])[world.family]
    own = np.stack([_marks(rng) for _ in world.diseases])
    rarity = np.argsort(np.argsort(-world.prevalence)) / (len(world.diseases) - 1) - 0.5
    return (0.4 * shared + own) * (1.0 + _RARITY * rarity[:, None])


def plan_pictures(
    settings: SyntheticHospitalSettings, seed: int, families: Sequence[str], n: int, stream: Stream
) -> Plan:
    """Chooses patients and draws how their organs look: all of a collection but its pixels."""
    world = make_world(settings, seed)
    specimens = draw_specimens(settings, seed, families, n, stream)
    effects = appearance_effects(world, seed)
    rng = generator(seed, stream, 1)
    means = np.zeros((len(specimens.cases), len(FACTORS)))
    for row, case in enumerate(specimens.cases):
        disease = specimens.classes[case.kind].disease
        if disease is not None:
            means[row] = case.severity * effects[disease]
    means += rng.normal(0.0, _PATIENT, means.shape)
    looks = means[specimens.case] + rng.normal(0.0, _PICTURE, (n, len(FACTORS)))
    return Plan(specimens, looks)


def _marks(rng: np.random.Generator) -> Floats:
    """Some factors of each kind, up or down."""
    kinds = np.array(list(FACTORS.values()))
    marks = np.zeros(len(FACTORS))
    for kind, count in _PER_KIND.items():
        chosen = rng.choice(np.flatnonzero(kinds == kind), count, replace=False)
        marks[chosen] = rng.choice([-1.0, 1.0], count) * rng.uniform(*_STRENGTH, count)
    return marks
