"""Outcomes after the observed year: readmission, intensive care, death and later values."""

from __future__ import annotations

from dataclasses import dataclass

import meds
import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.codebook import Codebook
from med_maml_pipeline.synthetic.events import Events, concatenate
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.outcome_rules import BINARY_OUTCOMES, risk
from med_maml_pipeline.synthetic.patients import Patients
from med_maml_pipeline.synthetic.visits import OBSERVED_DAYS, Visits

__all__ = ["Fates", "draw_fates", "egfr", "outcome_events", "with_readmissions"]

Floats = NDArray[np.float64]

_CREATININE, _HBA1C = (
    next((i, analyte) for i, analyte in enumerate(ANALYTES) if analyte.name == name)
    for name in ("creatinine", "hba1c")
)

_LATER = 1.25  # illness a year or two on, relative to the first day


@dataclass(frozen=True)
class Fates:
    """Who would have which outcome, had death or the lack of a later stay not come between.

    Attributes:
        happens: Outcome name → ``[n]``.
        death_day: ``[n]`` day of death since 1970-01-01, infinite for survivors.
    """

    happens: dict[str, NDArray[np.bool_]]
    death_day: Floats


def draw_fates(rng: np.random.Generator, patients: Patients) -> Fates:
    """Draws every binary outcome independently, given the latent patient."""
    n = len(patients)
    happens = {rule.name: rng.random(n) < risk(rule, patients) for rule in BINARY_OUTCOMES}
    day = patients.index_day + OBSERVED_DAYS + 2.0 + rng.uniform(0.0, 360.0, n)
    return Fates(happens, np.where(happens["DEATH_1Y"], day, np.inf))


def with_readmissions(rng: np.random.Generator, visits: Visits, fates: Fates) -> Visits:
    """Adds a stay within 30 days of the first later discharge, for those who are readmitted."""
    index = np.flatnonzero(visits.followup & fates.happens["READMISSION_30D"][visits.patient])
    gap = rng.uniform(1.0, 29.0, len(index))
    return Visits(
        patient=np.concatenate([visits.patient, visits.patient[index]]),
        start=np.concatenate([visits.start, visits.start[index] + visits.stay[index] + gap]),
        stay=np.concatenate([visits.stay, rng.uniform(1.0, 9.0, len(index))]),
        inpatient=np.concatenate([visits.inpatient, np.ones(len(index), dtype=bool)]),
        acuity=np.concatenate([visits.acuity, visits.acuity[index] + 0.5]),
        followup=np.concatenate([visits.followup, np.zeros(len(index), dtype=bool)]),
    )


def outcome_events(
    rng: np.random.Generator, patients: Patients, visits: Visits, fates: Fates, codebook: Codebook
) -> Events:
    """Outcome and death events, all later than the observed year.

    Those tied to a stay (``READMISSION_30D``, ``ICU`` and the numeric ones) need a patient who came back.
    """
    index = np.flatnonzero(visits.followup)
    rows = visits.patient[index]
    admitted = patients.index_day[rows] + visits.start[index]
    stay = visits.stay[index]
    back = np.full(len(patients), np.inf)
    start_of = np.flatnonzero(~visits.followup & (visits.start > OBSERVED_DAYS))
    back[visits.patient[start_of]] = patients.index_day[visits.patient[start_of]] + visits.start[start_of]
    in_icu = fates.happens["ICU"][rows]
    blocks = [
        _at(codebook, "READMISSION_30D", np.flatnonzero(np.isfinite(back)), back[np.isfinite(back)]),
        _at(codebook, "ICU", rows[in_icu], (admitted + 0.2 * stay)[in_icu]),
        _at(codebook, "LOS_DAYS", rows, admitted + stay, np.round(stay, 2)),
        *_later_values(rng, patients, rows, admitted + 0.15 * stay, codebook),
    ]
    for name in ("MACE", "DIALYSIS"):
        struck = np.flatnonzero(fates.happens[name])
        day = patients.index_day[struck] + OBSERVED_DAYS + 2.0 + rng.uniform(0.0, 360.0, len(struck))
        blocks.append(_at(codebook, name, struck, day))
    dead = np.flatnonzero(np.isfinite(fates.death_day))
    blocks.append(_at(codebook, "DEATH_1Y", dead, fates.death_day[dead]))
    blocks.append(Events.of(dead, fates.death_day[dead], codebook.numbers[meds.death_code]))
    return concatenate(blocks)


def _at(
    codebook: Codebook, name: str, rows: NDArray[np.int64], day: Floats, value: Floats | None = None
) -> Events:
    return Events.of(rows, day, codebook.numbers[f"OUTCOME//{name}"], value)


def _later_values(
    rng: np.random.Generator, patients: Patients, rows: NDArray[np.int64], day: Floats, codebook: Codebook
) -> list[Events]:
    """The next filtration rate for all who came back, the next HbA1c for those in whom it is looked for."""
    values = []
    for column, analyte in (_CREATININE, _HBA1C):
        level = patients.baseline[rows, column] + _LATER * patients.illness[rows, column]
        noisy = level + rng.normal(0.0, 0.7, len(rows))
        values.append(np.clip(analyte.centre * np.exp(analyte.spread * noisy), *analyte.bounds))
    rate = egfr(values[0], patients.age_days[rows] / 365.25, patients.female[rows])
    endocrine = patients.strain[rows, FAMILIES.index("endocrine")]
    looked = rng.random(len(rows)) < 1.0 / (1.0 + np.exp(-(0.5 + 0.8 * endocrine)))
    return [
        _at(codebook, "EGFR_NEXT", rows, day, np.round(rate, 1)),
        _at(codebook, "HBA1C_NEXT", rows[looked], day[looked], np.round(values[1][looked], 2)),
    ]


def egfr(creatinine: Floats, age: Floats, female: NDArray[np.bool_]) -> Floats:
    """Estimated glomerular filtration rate by CKD-EPI 2021 (Inker et al., N Engl J Med 385:1737).

    Args:
        creatinine: Serum creatinine in mg/dL.
        age: Years.
        female: Sex.

    Returns:
        mL/min/1.73 m².
    """
    ratio = creatinine / np.where(female, 0.7, 0.9)
    exponent = np.where(female, -0.241, -0.302)
    rate = 142.0 * np.minimum(ratio, 1.0) ** exponent * np.maximum(ratio, 1.0) ** -1.2 * 0.9938**age
    return np.asarray(rate * np.where(female, 1.012, 1.0))
