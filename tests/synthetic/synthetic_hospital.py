"""What the fixture of this room holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from med_maml_pipeline.synthetic import SyntheticHospitalSettings

__all__ = ["REPO", "Hospital"]

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Hospital:
    """Everything about one synthetic hospital, in memory.

    Attributes:
        settings: Sizes.
        shards: MEDS data tables by path.
        metadata: The other files of the record by path.
        events: All shards together.
        truth: Tables of the generating truth by path.
        patients: All latent patients.
    """

    settings: SyntheticHospitalSettings
    shards: Mapping[str, pa.Table]
    metadata: Mapping[str, Any]
    events: pl.DataFrame
    truth: Mapping[str, pl.DataFrame]
    patients: pl.DataFrame

    @property
    def diseases(self) -> pl.DataFrame:
        """Code, name, family and prevalence of each disease."""
        return self.truth["diseases.parquet"]

    def present(self) -> pl.DataFrame:
        """Which latent diseases each patient has: one Boolean column per diagnosis code."""
        return self.patients.select(pl.col(code) > 0 for code in self.diseases["code"])
