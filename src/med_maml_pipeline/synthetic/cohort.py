"""Who is pictured or sequenced: for each class, patients whose primary disease of one organ it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.organs import FAMILIES, Disease
from med_maml_pipeline.synthetic.patients import Patients, draw_patients, draw_referrals
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import Sites, make_sites
from med_maml_pipeline.synthetic.world import World, make_world

__all__ = ["HEALTHY", "ORGANS", "Case", "CaseClass", "Specimens", "case_classes", "draw_specimens"]

ORGANS: dict[str, str] = {
    "cardiac": "heart",
    "renal": "kidney",
    "hepatic": "liver",
    "endocrine": "thyroid",
    "pulmonary": "lung",
    "blood": "blood",
    "immune": "lymph_node",
}
"""Organ that stands for each family in pictures and samples."""

HEALTHY = "NORMAL_"
"""Prefix of the healthy class of an organ."""

_TWO, _THREE = 0.6, 0.9  # a second specimen for the draws above the first bound, a third above the second


@dataclass(frozen=True)
class CaseClass:
    """A class of pictures or samples: a disease of an organ, or the organ without one.

    Attributes:
        name: ICD-10 category, or ``NORMAL_<organ>``.
        family: Number of the organ family.
        disease: Number of the disease in the world; None where healthy.
    """

    name: str
    family: int
    disease: int | None

    @property
    def organ(self) -> str:
        """Name of the organ."""
        return ORGANS[FAMILIES[self.family]]


@dataclass(frozen=True)
class Case:
    """A patient in a collection. Everyone is in one class of it only, so that classes share no patients.

    Attributes:
        subject_id: As in the record; beyond ``n_patients`` for the referral cohort.
        site: Site number.
        kind: Number of the class.
        severity: Severity of the primary disease, 0 where healthy.
    """

    subject_id: int
    site: int
    kind: int
    severity: float


@dataclass(frozen=True)
class Specimens:
    """What is pictured or sequenced, in the order of the file.

    Attributes:
        classes: The classes.
        cases: The c patients.
        case: ``[n]`` number of the patient of each specimen; a third of them give two or three.
    """

    classes: tuple[CaseClass, ...]
    cases: tuple[Case, ...]
    case: NDArray[np.int64]


def case_classes(known: Sequence[Disease], families: Sequence[str]) -> tuple[CaseClass, ...]:
    """Classes of some organ families: the healthy organs, then their diseases in the order of the world.

    So a class keeps its number however many diseases there are.
    """
    diseased = [
        CaseClass(disease.icd10, FAMILIES.index(disease.family), number)
        for number, disease in enumerate(known)
        if disease.family in families
    ]
    healthy = [CaseClass(HEALTHY + ORGANS[family], FAMILIES.index(family), None) for family in families]
    return (*healthy, *diseased)


def draw_specimens(
    settings: SyntheticHospitalSettings, seed: int, families: Sequence[str], n: int, stream: Stream
) -> Specimens:
    """Chooses n specimens of patients of the hospital, dealt out to the classes as evenly as can be.

    Patients come in the order of their ids, the rarest class first, and from the referral cohort where
    the hospital has too few. So the choices for several collections mostly meet in the same patients.

    Args:
        settings: Sizes.
        seed: Seed.
        families: Organ families of the collection.
        n: Number of specimens.
        stream: Stream of the collection's own draws.
    """
    world, sites = make_world(settings, seed), make_sites(seed)
    classes = case_classes(world.diseases, families)
    rng = generator(seed, stream)
    numbers = [_per_patient(rng, len(part)) for part in np.array_split(np.arange(n), len(classes))]
    wanted = [len(number) for number in numbers]
    chosen: list[list[Case]] = [[] for _ in classes]
    everyone = _everyone(settings, world, sites, seed)
    while any(len(members) < most for members, most in zip(chosen, wanted, strict=True)):
        _choose(next(everyone), world, classes, wanted, chosen)
    cases = tuple(case for members in chosen for case in members)
    case = np.repeat(np.arange(len(cases)), np.concatenate(numbers))
    return Specimens(classes, cases, rng.permutation(case).astype(np.int64))


def _per_patient(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Specimens of each patient, 1 to 3, that sum to n."""
    draws = rng.random(n)
    counts = 1 + (draws > _TWO).astype(np.int64) + (draws > _THREE)
    kept = counts[: int(np.searchsorted(np.cumsum(counts), n)) + 1]
    kept[-1] -= kept.sum() - n
    return kept


def _everyone(
    settings: SyntheticHospitalSettings, world: World, sites: Sites, seed: int
) -> Iterator[Patients]:
    """The hospital shard by shard, then the referral cohort; nobody is drawn before they are asked for."""
    for shard in range(settings.n_shards):
        yield draw_patients(settings, world, sites, seed, shard)
    for block in count():  # every class has a chance above nil, so there is an end
        yield draw_referrals(settings, world, sites, seed, block)


def _choose(
    patients: Patients,
    world: World,
    classes: Sequence[CaseClass],
    wanted: Sequence[int],
    chosen: list[list[Case]],
) -> None:
    """Adds to ``chosen``, class by class, those of the patients who are still wanted."""
    free = np.ones(len(patients), dtype=bool)
    primary = {kind.family: _primary(patients, world, kind.family) for kind in classes}
    for number in sorted(range(len(classes)), key=lambda number: _prevalence(world, classes[number])):
        kind, missing = classes[number], wanted[number] - len(chosen[number])
        match = primary[kind.family] == (-1 if kind.disease is None else kind.disease)
        rows = np.flatnonzero(match & free)[:missing]
        free[rows] = False
        severity = np.zeros(len(patients)) if kind.disease is None else patients.severity[:, kind.disease]
        chosen[number] += [
            Case(int(patients.subject_id[row]), int(patients.site[row]), number, float(severity[row]))
            for row in rows
        ]


def _prevalence(world: World, kind: CaseClass) -> float:
    return 1.0 if kind.disease is None else float(world.prevalence[kind.disease])


def _primary(patients: Patients, world: World, family: int) -> NDArray[np.int64]:
    """``[n]`` number of the most severe disease of the family, -1 where there is none."""
    members = np.flatnonzero(world.family == family)
    severity = patients.severity[:, members]
    return np.where(severity.max(axis=1) > 0, members[severity.argmax(axis=1)], -1)
