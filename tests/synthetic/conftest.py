"""A small hospital, made once for all tests of this room."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest
from synthetic_hospital import Hospital

from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_ehr, write_truth

SEED = 7


@pytest.fixture(scope="session")
def hospital() -> Hospital:
    settings = SyntheticHospitalSettings(n_patients=5000, patients_per_shard=1500, n_molecules=400)
    files = dict(write_ehr(settings, SEED))
    shards = {path: table for path, table in files.items() if path.startswith("data/")}
    truth = {path: pl.DataFrame(table) for path, table in write_truth(settings, SEED)}
    return Hospital(
        settings=settings,
        shards=shards,
        metadata={path: content for path, content in files.items() if path not in shards},
        events=pl.DataFrame(pa.concat_tables(shards.values())),
        truth=truth,
        patients=pl.concat([table for path, table in truth.items() if path.startswith("patients/")]),
    )
