"""Laboratory analytes and vital signs: units, healthy values, and the organ they speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ANALYTES", "Analyte"]


@dataclass(frozen=True)
class Analyte:
    """One measurable quantity.

    Attributes:
        name: Name in codes.
        unit: Unit in codes.
        family: Organ family whose panel orders it.
        direction: +1 when illness of that organ raises it, -1 when it lowers it.
        centre: Healthy mean (median when ``log``), in ``unit``.
        spread: Healthy standard deviation, in ``unit`` (of the natural logarithm when ``log``).
        bounds: Values outside cannot be measured and are cut.
        log: Whether it is log-normal.
        routine: Whether it is measured at most visits, whatever the illness.
        vital: Whether it is a vital sign; they are taken at the bedside at every visit.
        si: Another unit in use, and the factor from ``unit`` to it.
    """

    name: str
    unit: str
    family: str
    direction: Literal[-1, 1]
    centre: float
    spread: float
    bounds: tuple[float, float]
    log: bool = False
    routine: bool = False
    vital: bool = False
    si: tuple[str, float] | None = None

    @property
    def code(self) -> str:
        """MEDS code with the unit."""
        return f"{'VITAL' if self.vital else 'LAB'}//{self.name}//{self.unit}"

    @property
    def si_code(self) -> str:
        """MEDS code with the other unit; the same code where there is none."""
        return f"LAB//{self.name}//{self.si[0]}" if self.si else self.code


ANALYTES: tuple[Analyte, ...] = (
    Analyte("troponin_t", "ng/L", "cardiac", 1, 8.0, 0.6, (3, 10_000), log=True),
    Analyte("bnp", "pg/mL", "cardiac", 1, 40.0, 0.7, (5, 35_000), log=True),
    Analyte("creatine_kinase", "U/L", "cardiac", 1, 100.0, 0.5, (10, 20_000), log=True),
    Analyte("ldl", "mg/dL", "cardiac", 1, 115.0, 30.0, (10, 400)),
    Analyte("magnesium", "mg/dL", "cardiac", -1, 2.0, 0.2, (0.5, 5)),
    Analyte(
        "creatinine", "mg/dL", "renal", 1, 0.9, 0.22, (0.2, 20), log=True, routine=True, si=("umol/L", 88.4)
    ),
    Analyte("urea", "mg/dL", "renal", 1, 32.0, 0.3, (4, 400), log=True),
    Analyte("potassium", "mmol/L", "renal", 1, 4.2, 0.35, (1.5, 9), routine=True),
    Analyte("phosphate", "mg/dL", "renal", 1, 3.5, 0.5, (0.5, 15)),
    Analyte("urine_albumin", "mg/g", "renal", 1, 10.0, 0.8, (1, 10_000), log=True),
    Analyte("alt", "U/L", "hepatic", 1, 24.0, 0.45, (3, 10_000), log=True),
    Analyte("ast", "U/L", "hepatic", 1, 23.0, 0.4, (3, 10_000), log=True),
    Analyte("bilirubin", "mg/dL", "hepatic", 1, 0.6, 0.4, (0.1, 40), log=True, si=("umol/L", 17.1)),
    Analyte("alkaline_phosphatase", "U/L", "hepatic", 1, 75.0, 0.3, (10, 3000), log=True),
    Analyte("albumin", "g/dL", "hepatic", -1, 4.2, 0.4, (1, 6)),
    Analyte("ggt", "U/L", "hepatic", 1, 25.0, 0.6, (3, 5000), log=True),
    Analyte(
        "glucose",
        "mg/dL",
        "endocrine",
        1,
        95.0,
        0.15,
        (20, 1500),
        log=True,
        routine=True,
        si=("mmol/L", 1 / 18),
    ),
    Analyte("hba1c", "%", "endocrine", 1, 5.4, 0.12, (3, 18), log=True),
    Analyte("tsh", "mIU/L", "endocrine", 1, 1.8, 0.6, (0.01, 150), log=True),
    Analyte("calcium", "mg/dL", "endocrine", -1, 9.4, 0.4, (4, 18)),
    Analyte("triglycerides", "mg/dL", "endocrine", 1, 115.0, 0.45, (20, 5000), log=True),
    Analyte("pco2", "mmHg", "pulmonary", 1, 40.0, 4.0, (10, 130)),
    Analyte("po2", "mmHg", "pulmonary", -1, 88.0, 8.0, (25, 500)),
    Analyte("bicarbonate", "mmol/L", "pulmonary", 1, 25.0, 2.5, (5, 50)),
    Analyte("lactate", "mmol/L", "pulmonary", 1, 1.1, 0.35, (0.2, 25), log=True),
    Analyte("eosinophils", "10*9/L", "pulmonary", 1, 0.15, 0.6, (0.01, 10), log=True),
    Analyte("haemoglobin", "g/dL", "blood", -1, 13.8, 1.2, (3, 22), routine=True),
    Analyte("platelets", "10*9/L", "blood", -1, 250.0, 55.0, (5, 1500), routine=True),
    Analyte("ferritin", "ug/L", "blood", -1, 90.0, 0.7, (2, 10_000), log=True),
    Analyte("mcv", "fL", "blood", -1, 90.0, 5.0, (50, 140)),
    Analyte("inr", "ratio", "blood", 1, 1.0, 0.1, (0.7, 12), log=True),
    Analyte("ldh", "U/L", "blood", 1, 180.0, 0.25, (50, 10_000), log=True),
    Analyte("crp", "mg/L", "immune", 1, 3.0, 0.9, (0.2, 500), log=True),
    Analyte("esr", "mm/h", "immune", 1, 12.0, 0.6, (1, 150), log=True),
    Analyte("leukocytes", "10*9/L", "immune", 1, 7.0, 0.25, (0.2, 200), log=True, routine=True),
    Analyte("igg", "g/L", "immune", 1, 11.5, 2.2, (0.5, 60)),
    Analyte("complement_c3", "g/L", "immune", -1, 1.2, 0.2, (0.1, 3)),
    Analyte("urate", "mg/dL", "immune", 1, 5.4, 1.2, (0.5, 20), si=("umol/L", 59.48)),
    Analyte("heart_rate", "1/min", "cardiac", 1, 74.0, 10.0, (25, 220), vital=True),
    Analyte("systolic_pressure", "mmHg", "cardiac", 1, 126.0, 14.0, (50, 260), vital=True),
    Analyte("diastolic_pressure", "mmHg", "renal", 1, 76.0, 9.0, (25, 160), vital=True),
    Analyte("weight", "kg", "endocrine", 1, 75.0, 0.18, (30, 300), log=True, vital=True),
    Analyte("respiratory_rate", "1/min", "pulmonary", 1, 15.0, 2.0, (5, 60), vital=True),
    Analyte("oxygen_saturation", "%", "pulmonary", -1, 97.0, 1.3, (50, 100), vital=True),
    Analyte("temperature", "Cel", "immune", 1, 36.7, 0.35, (33, 42.5), vital=True),
)
"""Everything the hospital measures. The order is part of the data format."""
