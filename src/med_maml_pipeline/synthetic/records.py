"""What is written down besides measurements: persons, admissions, drugs, diagnoses."""

from __future__ import annotations

import meds
import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.codebook import Codebook
from med_maml_pipeline.synthetic.drugs import DRUGS
from med_maml_pipeline.synthetic.events import MICROSECONDS_PER_DAY, STATIC, Events, concatenate
from med_maml_pipeline.synthetic.patients import Patients
from med_maml_pipeline.synthetic.sites import SITES, Sites
from med_maml_pipeline.synthetic.visits import Visits
from med_maml_pipeline.synthetic.world import World

__all__ = ["diagnose", "prescribe", "register", "stays"]


def register(patients: Patients, codebook: Codebook) -> Events:
    """Static sex and site, and the birth."""
    rows = np.arange(len(patients))
    static = np.full(len(rows), STATIC)
    sex = np.where(patients.female, codebook.numbers["GENDER//F"], codebook.numbers["GENDER//M"])
    site = np.array([codebook.numbers[f"SITE//{name}"] for name in SITES])[patients.site]
    born = (patients.index_day - patients.age_days) * MICROSECONDS_PER_DAY
    return concatenate(
        [
            Events.of(rows, static, sex),
            Events.of(rows, static, site),
            Events.of(rows, born, codebook.numbers[meds.birth_code]),
        ]
    )


def stays(
    rng: np.random.Generator, patients: Patients, visits: Visits, codebook: Codebook
) -> tuple[Events, Events]:
    """Admissions and discharges."""
    rows = visits.patient
    day = patients.index_day[rows] + visits.start
    urgent = np.where(
        visits.acuity > 0.2, codebook.numbers["ADMISSION//EMERGENCY"], codebook.numbers["ADMISSION//ELECTIVE"]
    )
    kind = np.where(visits.inpatient, urgent, codebook.numbers["ADMISSION//OUTPATIENT"])
    frail = 0.6 * patients.frailty[rows] + 0.4 * patients.decades_over_60[rows] - 2.0
    to_care = visits.inpatient & (rng.random(len(rows)) < 1.0 / (1.0 + np.exp(-frail)))
    goes = np.where(to_care, codebook.numbers["DISCHARGE//REHAB"], codebook.numbers["DISCHARGE//HOME"])
    return Events.of(rows, day, kind), Events.of(rows, day + visits.stay, goes)


def prescribe(
    rng: np.random.Generator, patients: Patients, visits: Visits, world: World, codebook: Codebook
) -> Events:
    """Drugs given at a visit: for a disease with chance ``1 - (1 - treatment)^severity``, or otherwise."""
    rows = visits.patient
    spared = np.exp(patients.severity[rows] @ np.log1p(-world.treatment))
    background = np.array([drug.background for drug in DRUGS])
    given = rng.random(spared.shape) < 1.0 - (1.0 - background) * spared
    visit, drug = np.nonzero(given)
    numbers = np.array([codebook.numbers[entry.code] for entry in DRUGS])
    day = patients.index_day[rows[visit]] + visits.start[visit] + 0.3 * visits.stay[visit]
    return Events.of(rows[visit], day, numbers[drug])


def diagnose(
    rng: np.random.Generator,
    patients: Patients,
    visits: Visits,
    world: World,
    sites: Sites,
    codebook: Codebook,
) -> Events:
    """Diagnoses, coded at discharge: the mild are missed, the severe seldom; some get a sibling's code."""
    rows = visits.patient
    site = patients.site[rows]
    missed = (1.0 - sites.coding[site])[:, None] ** patients.severity[rows]
    coded = rng.random(missed.shape) < 1.0 - missed
    mistaken = coded & (rng.random(coded.shape) < sites.miscoding[site][:, None])
    recorded = coded & ~mistaken
    visit, disease = np.nonzero(mistaken)
    recorded[visit, _sibling(world.family)[disease]] = True
    visit, disease = np.nonzero(recorded)
    numbers = np.array([codebook.numbers[entry.code] for entry in world.diseases])
    day = patients.index_day[rows[visit]] + visits.start[visit] + visits.stay[visit]
    return Events.of(rows[visit], day, numbers[disease])


def _sibling(family: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each disease the next one of its family, in a ring."""
    sibling = np.empty(len(family), dtype=np.int64)
    for number in np.unique(family):
        members = np.flatnonzero(family == number)
        sibling[members] = np.roll(members, -1)
    return sibling
