"""When patients come: the first year, which is observed, and the year of outcomes after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.patients import Patients

__all__ = ["OBSERVED_DAYS", "Visits", "draw_visits"]

Floats = NDArray[np.float64]

OBSERVED_DAYS = 365.0
"""Days from the first admission on that inputs may be drawn from. All outcomes come later."""

_SLOTS = 5  # later visits of the first year, one per slot of 60 days at most, so that none overlap
_LONGEST_STAY = 28.0


@dataclass(frozen=True)
class Visits:
    """V visits of one shard; the rows of a patient are in order of time within each year.

    Attributes:
        patient: ``[V]`` row of the patient.
        start: ``[V]`` days since the patient's index day.
        stay: ``[V]`` days from admission to discharge.
        inpatient: ``[V]``.
        acuity: ``[V]`` how ill the patient is at the visit, about standard normal.
        followup: ``[V]`` whether it is the first stay after the observed year.
    """

    patient: NDArray[np.int64]
    start: Floats
    stay: Floats
    inpatient: NDArray[np.bool_]
    acuity: Floats
    followup: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.patient)


def draw_visits(rng: np.random.Generator, patients: Patients) -> Visits:
    """Draws all visits of a shard but readmissions, which depend on outcomes.

    The sicker come more often, stay longer and return more surely after the first year.
    """
    n = len(patients)
    burden = 0.5 * patients.frailty + 0.2 * patients.strain.clip(min=0).sum(axis=1)
    later = np.minimum(rng.poisson(np.exp(0.15 + 0.2 * burden.clip(-2, 4))), _SLOTS)
    slots = rng.random((n, _SLOTS)).argsort(axis=1) < later[:, None]
    returns = rng.random(n) < 1.0 / (1.0 + np.exp(-(0.6 + 0.5 * burden)))
    present = np.column_stack([np.ones(n, dtype=bool), slots, returns])
    patient, turn = np.nonzero(present)
    start = np.where(turn == 0, 0.3, 60.0 * turn - 20.0 + rng.uniform(0.0, 30.0, len(turn)))
    followup = turn == _SLOTS + 1
    start = np.where(followup, OBSERVED_DAYS + 3.0 + rng.uniform(0.0, 170.0, len(turn)), start)
    acuity = rng.normal(0.0, 0.8, len(turn)) + 0.3 * patients.frailty[patient]
    inpatient = (rng.random(len(turn)) < 1.0 / (1.0 + np.exp(-(acuity + 0.3 * burden[patient])))) | followup
    stay = np.where(
        inpatient, _length_of_stay(rng, acuity, burden[patient]), rng.uniform(0.08, 0.25, len(turn))
    )
    return Visits(patient.astype(np.int64), start, stay, inpatient, acuity, followup)


def _length_of_stay(rng: np.random.Generator, acuity: Floats, burden: Floats) -> Floats:
    """Days, log-normal around 3, longer for the acutely and the chronically ill."""
    days = np.exp(0.9 + 0.15 * acuity + 0.6 * burden + rng.normal(0.0, 0.25, len(acuity)))
    return np.asarray(np.clip(days, 0.5, _LONGEST_STAY))
