"""Laboratory values and vital signs: what is ordered for whom, and what the analyser says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.codebook import DIPSTICK, Codebook
from med_maml_pipeline.synthetic.events import Events, concatenate
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.patients import Patients
from med_maml_pipeline.synthetic.sites import Sites
from med_maml_pipeline.synthetic.visits import Visits

__all__ = ["measure"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_FAMILY = np.array([FAMILIES.index(analyte.family) for analyte in ANALYTES])
_ROUTINE = np.array([analyte.routine for analyte in ANALYTES])
_VITAL = np.array([analyte.vital for analyte in ANALYTES])
_LOG = np.array([analyte.log for analyte in ANALYTES])
_CENTRE = np.array([analyte.centre for analyte in ANALYTES])
_SPREAD = np.array([analyte.spread for analyte in ANALYTES])
_LOW = np.array([analyte.bounds[0] for analyte in ANALYTES])
_HIGH = np.array([analyte.bounds[1] for analyte in ANALYTES])
_SI_FACTOR = np.array([analyte.si[1] if analyte.si else 1.0 for analyte in ANALYTES])
_ACUTE = np.where(_ROUTINE | _VITAL, 0.25, 0.0) * np.array([analyte.direction for analyte in ANALYTES])
_URINE_ALBUMIN = next(i for i, analyte in enumerate(ANALYTES) if analyte.name == "urine_albumin")

_PROGRESS = 0.15  # illness worsens by 15 % a year
_RECOVERY = 0.85  # and is treated by 15 % within a stay
_DIPSTICK_STEPS = (0.7, 1.4, 2.2, 3.2)  # healthy deviations of urine albumin between two readings


@dataclass(frozen=True)
class _Sampling:
    """One round of measurement at all visits: who is measured on what, when, and how ill they are."""

    ordered: Flags
    at: Floats
    illness: Floats


def measure(
    rng: np.random.Generator, patients: Patients, visits: Visits, sites: Sites, codebook: Codebook
) -> Events:
    """Measurements at admission and, for some inpatients, again later in the stay.

    A specialised panel is ordered the more surely the more its organ is strained and the sicker the
    patient is that day: missingness depends on illness.
    """
    rows = visits.patient
    day = patients.index_day[rows] + visits.start
    ordered = _ordered(rng, patients, visits, sites)
    illness = patients.illness[rows] * (1.0 + _PROGRESS * visits.start / 365.0)[:, None]
    again = ordered & visits.inpatient[:, None] & (rng.random(ordered.shape) < 0.5)
    rounds = (
        _Sampling(ordered, day + 0.1 * visits.stay, illness),
        _Sampling(again, day + 0.6 * visits.stay, illness * _RECOVERY),
    )
    blocks = [
        block for sampling in rounds for block in _results(rng, sampling, patients, visits, sites, codebook)
    ]
    return concatenate(blocks)


def _ordered(rng: np.random.Generator, patients: Patients, visits: Visits, sites: Sites) -> Flags:
    """Which analytes ``[V, A]`` are measured at all at a visit."""
    rows = visits.patient
    log_odds = (
        -1.3
        + 0.7 * patients.strain[rows]
        + 0.5 * visits.acuity[:, None]
        + 0.6 * visits.inpatient[:, None]
        + sites.ordering[patients.site[rows]]
    )
    panel = rng.random(log_odds.shape) < 1.0 / (1.0 + np.exp(-log_odds))
    chance = np.where(_VITAL, 0.95, np.where(_ROUTINE, 0.85, 0.9 * panel[:, _FAMILY]))
    return np.asarray(rng.random(chance.shape) < chance)


def _results(
    rng: np.random.Generator,
    sampling: _Sampling,
    patients: Patients,
    visits: Visits,
    sites: Sites,
    codebook: Codebook,
) -> tuple[Events, Events]:
    """Numeric results, and dipstick readings as text wherever urine albumin is measured."""
    visit, analyte = np.nonzero(sampling.ordered)
    row = visits.patient[visit]
    site = patients.site[row]
    level = (
        patients.baseline[row, analyte]
        + sampling.illness[visit, analyte]
        + _ACUTE[analyte] * visits.acuity[visit]
        + sites.bias[site, analyte]
        + 0.5 * sites.noise[site] * rng.normal(size=len(row))
    )
    in_si = sites.uses_si[site, analyte]
    slipped = rng.random(len(row)) < sites.unit_slip[site]
    value = _value(level, analyte) * np.where(in_si | slipped, _SI_FACTOR[analyte], 1.0)
    plain = np.array([codebook.numbers[entry.code] for entry in ANALYTES])
    other = np.array([codebook.numbers[entry.si_code] for entry in ANALYTES])
    code = np.where(in_si, other[analyte], plain[analyte])
    numeric = Events.of(row, sampling.at[visit], code, np.round(value, 2))
    urine = np.flatnonzero(analyte == _URINE_ALBUMIN)
    reading = np.digitize(level[urine], _DIPSTICK_STEPS).astype(np.int64)
    text = Events.of(row[urine], sampling.at[visit[urine]], codebook.numbers[DIPSTICK], text=reading)
    return numeric, text


def _value(level: Floats, analyte: NDArray[np.int64]) -> Floats:
    """From healthy deviations to the analyte's unit, within what can be measured."""
    moved = _SPREAD[analyte] * level
    value = np.where(_LOG[analyte], _CENTRE[analyte] * np.exp(moved.clip(-10, 10)), _CENTRE[analyte] + moved)
    return np.asarray(np.clip(value, _LOW[analyte], _HIGH[analyte]))
