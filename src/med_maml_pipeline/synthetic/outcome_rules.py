"""What happens after the observed year, and to whom: the rules of the outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.patients import Patients

__all__ = ["BINARY_OUTCOMES", "NUMERIC_OUTCOMES", "BinaryOutcome", "NumericOutcome", "risk"]


@dataclass(frozen=True)
class BinaryOutcome:
    """A logistic risk.

    Attributes:
        name: Name in the code.
        description: In words.
        base: Log-odds of a healthy patient of 60.
        frailty: Per standard deviation of frailty.
        age: Per decade over 60.
        organs: Per unit of strain, by family.
    """

    name: str
    description: str
    base: float
    frailty: float
    age: float
    organs: dict[str, float] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """MEDS code."""
        return f"OUTCOME//{self.name}"


@dataclass(frozen=True)
class NumericOutcome:
    """A value measured after the observed year; its unit is part of the description."""

    name: str
    description: str

    @property
    def code(self) -> str:
        """MEDS code."""
        return f"OUTCOME//{self.name}"


BINARY_OUTCOMES = (
    BinaryOutcome(
        "READMISSION_30D",
        "Readmitted within 30 days of the first stay after the observed year",
        -1.6, 0.7, 0.1, {"cardiac": 0.9, "pulmonary": 0.9},
    ),
    BinaryOutcome(
        "ICU",
        "Intensive care in the first stay after the observed year",
        -2.2, 0.6, 0.1, {"pulmonary": 1.1, "immune": 0.9, "cardiac": 0.6},
    ),
    BinaryOutcome(
        "MACE",
        "Major adverse cardiac event in the year after the observed year",
        -2.7, 0.3, 0.4, {"cardiac": 1.5, "endocrine": 0.9},
    ),
    BinaryOutcome(
        "DIALYSIS",
        "Dialysis started in the year after the observed year",
        -3.9, 0.2, 0.0, {"renal": 1.9, "endocrine": 0.5},
    ),
    BinaryOutcome(
        "DEATH_1Y",
        "Death within a year after the observed year",
        -2.8, 0.8, 0.5, {"hepatic": 0.8, "blood": 0.8, "immune": 0.5},
    ),
)  # fmt: skip
"""Risks share frailty, so that a zero-shot prior over outcomes is meaningful."""

NUMERIC_OUTCOMES = (
    NumericOutcome("LOS_DAYS", "Length of the first stay after the observed year, in days"),
    NumericOutcome("EGFR_NEXT", "Next glomerular filtration rate, CKD-EPI 2021, in mL/min/1.73 m2"),
    NumericOutcome("HBA1C_NEXT", "Next HbA1c, in %"),
)


def risk(outcome: BinaryOutcome, patients: Patients) -> NDArray[np.float64]:
    """Chance ``[n]`` of the outcome, given that the patient can have it."""
    weights = np.array([outcome.organs.get(family, 0.0) for family in FAMILIES])
    log_odds = (
        outcome.base
        + outcome.frailty * patients.frailty
        + outcome.age * patients.decades_over_60
        + patients.strain @ weights
    )
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
