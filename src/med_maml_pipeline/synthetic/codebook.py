"""Every code the hospital records, with the description and parents that MEDS metadata carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import meds
import pyarrow as pa

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.drugs import DRUGS
from med_maml_pipeline.synthetic.organs import Disease
from med_maml_pipeline.synthetic.outcome_rules import BINARY_OUTCOMES, NUMERIC_OUTCOMES
from med_maml_pipeline.synthetic.sites import SITES

__all__ = ["DIPSTICK", "DIPSTICK_LEVELS", "Codebook", "make_codebook"]

DIPSTICK = "LAB//urine_protein//dipstick"
DIPSTICK_LEVELS = ("negative", "trace", "1+", "2+", "3+")
"""Readings of the one test whose result is text."""


@dataclass(frozen=True)
class Codebook:
    """Codes in a fixed order.

    Attributes:
        descriptions: Code → description.
        parents: Code → ICD-10 parent, for diagnoses.
        numbers: Code → number.
    """

    descriptions: Mapping[str, str]
    parents: Mapping[str, str]
    numbers: Mapping[str, int]

    @property
    def codes(self) -> tuple[str, ...]:
        """All codes by number."""
        return tuple(self.descriptions)

    def metadata(self) -> pa.Table:
        """The MEDS 0.4 table ``metadata/codes.parquet``."""
        schema = pa.schema(
            [
                pa.field("code", pa.string(), nullable=False),
                pa.field("description", pa.string()),
                pa.field("parent_codes", pa.list_(pa.string())),
            ]
        )
        rows = [
            {
                "code": code,
                "description": text,
                "parent_codes": [self.parents[code]] if code in self.parents else [],
            }
            for code, text in self.descriptions.items()
        ]
        return pa.Table.from_pylist(rows, schema=schema)


def make_codebook(diseases: tuple[Disease, ...]) -> Codebook:
    """Codes of a hospital that knows the given diseases."""
    entries: dict[str, str] = {
        meds.birth_code: "Birth",
        meds.death_code: "Death",
        "GENDER//F": "Female",
        "GENDER//M": "Male",
        "ADMISSION//EMERGENCY": "Unplanned admission",
        "ADMISSION//ELECTIVE": "Planned admission",
        "ADMISSION//OUTPATIENT": "Outpatient visit",
        "DISCHARGE//HOME": "Discharged home",
        "DISCHARGE//REHAB": "Discharged to rehabilitation or care",
        DIPSTICK: "Urine protein by dipstick, as text",
    }
    entries |= {f"SITE//{site}": f"Hospital {site}" for site in SITES}
    for analyte in ANALYTES:
        entries[analyte.code] = f"{analyte.name} in {analyte.unit}"
        if analyte.si:
            entries[analyte.si_code] = f"{analyte.name} in {analyte.si[0]}"
    entries |= {drug.code: f"{drug.name} given" for drug in DRUGS}
    entries |= {disease.code: disease.name for disease in diseases}
    entries |= {outcome.code: outcome.description for outcome in (*BINARY_OUTCOMES, *NUMERIC_OUTCOMES)}
    parents = {disease.code: f"ICD10/{disease.icd10}" for disease in diseases}
    return Codebook(entries, parents, {code: number for number, code in enumerate(entries)})
