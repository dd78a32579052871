"""The public EHR sources: each trap on the real files; its fabricated twin is in the reader's own tests."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import TypeAdapter

from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.spec import SourceSpec

CONFIGURATION = Path(__file__).resolve().parents[2] / "conf" / "public" / "catalog_01_raw.yml"
SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)
NAMES = ("heart_disease_4site", "icu_demo_yaib", "diabetes130", "uci_clinical")


@cache
def _specs() -> dict[str, Any]:
    entries = yaml.safe_load(CONFIGURATION.read_text())["ehr_sources"]["sources"]
    return {name: SPEC.validate_python(entry) for name, entry in entries.items()}


@cache
def _read(name: str, root: Path) -> tuple[Reading, dict[str, TablePart]]:
    reading = open_source(name, _specs()[name], root)
    return reading, {part.table: part for part in reading.parts}


def _column(reading: Reading, part: TablePart, name: str) -> np.ndarray:
    schema = next(schema for schema in reading.schemas if schema.table == part.table)
    return part.x[:, schema.features.index(name)]


def _lost(reading: Reading, table: str) -> dict[str, int]:
    return {row.step: row.lost for row in reading.attrition if row.table == table}


# ---- the configuration itself, without the data


def test_every_entry_is_a_valid_source() -> None:
    assert tuple(_specs()) == NAMES
    assert len(_specs()["uci_clinical"].tables) == 19


def test_tables_of_the_same_patients_stay_in_one_cluster_and_in_one_problem() -> None:
    (family,) = _specs()["uci_clinical"].tasks
    assert {frozenset(cluster) for cluster in family.clusters} == {
        frozenset({"column2C", "column3C"}),
        frozenset({"hypothyroid", "sick"}),
    }
    # heart_statlog is a part of Cleveland: it must never share a learner with the four hospitals
    problems = {
        name: {t.problem or f"{name}_{t.family}" for t in spec.tasks} for name, spec in _specs().items()
    }
    assert not problems["uci_clinical"] & problems["heart_disease_4site"]


def test_stays_seen_under_several_outcomes_are_split_by_group() -> None:
    (family,) = _specs()["icu_demo_yaib"].tasks
    assert family.group_split is not None


# ---- heart disease


@pytest.mark.public
def test_zero_cholesterol_is_missing_in_switzerland_and_long_beach(public_data: Path) -> None:
    reading, parts = _read("heart_disease_4site", public_data)
    part = parts["main"]
    assert part.strata is not None
    missing = pd.Series(np.isnan(_column(reading, part, "chol"))).groupby(part.strata).sum()
    assert missing.to_dict() == {"cleveland": 0, "hungarian": 23, "switzerland": 123, "va": 7 + 49}
    assert np.nanmin(_column(reading, part, "chol")) > 0
    assert np.nanmin(_column(reading, part, "trestbps")) > 0
    assert np.nanmin(_column(reading, part, "oldpeak")) < 0  # a zero or less is a measurement there


@pytest.mark.public
def test_the_graded_target_and_the_site_are_no_inputs(public_data: Path) -> None:
    reading, parts = _read("heart_disease_4site", public_data)
    inputs = {name.split("=")[0] for name in reading.schemas[0].features}
    assert inputs == {
        "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak",
        "slope", "ca", "thal",
    }  # fmt: skip
    assert len(set(parts["main"].group_ids)) == 918  # 920 rows, two records entered twice


# ---- diabetes


@pytest.mark.public
def test_hospice_and_dead_are_the_codes_of_the_mapping(public_data: Path) -> None:
    with (public_data / "diabetes130" / "IDs_mapping.csv").open(newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 2]
    start = next(i for i, row in enumerate(rows) if row[0] == "discharge_disposition_id")
    end = next(i for i, row in enumerate(rows) if row[0] == "admission_source_id")
    gone = {int(code) for code, text in rows[start + 1 : end] if "xpired" in text or "ospice" in text}
    assert gone == set(_specs()["diabetes130"].columns.exclude_rows["discharge_disposition_id"])
    reading, _ = _read("diabetes130", public_data)
    assert _lost(reading, "main")["excluded by 'discharge_disposition_id'"] == 1090


@pytest.mark.public
def test_one_first_encounter_per_patient(public_data: Path) -> None:
    reading, parts = _read("diabetes130", public_data)
    part = parts["main"]
    with gzip.open(public_data / "diabetes130" / "diabetic_data_with_specialty.csv.gz", "rt") as file:
        raw = pd.read_csv(file, low_memory=False)
    left = raw[~raw.discharge_disposition_id.isin([11, 13, 14, 19, 20, 21])]
    first = left.sort_values("encounter_id").groupby("patient_nbr").head(1).sort_index()
    assert part.group_ids.tolist() == first.patient_nbr.astype(str).tolist()
    np.testing.assert_array_equal(part.y[:, 0], (first.readmitted != "NO").to_numpy())
    assert part.strata is not None
    assert part.strata.tolist() == first.medical_specialty.tolist()
    inputs = {name.split("=")[0] for name in reading.schemas[0].features}
    assert not inputs & {"encounter_id", "patient_nbr", "readmitted", "medical_specialty"}
    assert {name for name in reading.schemas[0].features if name.startswith("diag_1=")} >= {
        "diag_1=circulatory"
    }


# ---- intensive care


@pytest.mark.public
def test_every_outcome_has_the_same_inputs_without_a_trace_of_its_own_label(public_data: Path) -> None:
    reading, parts = _read("icu_demo_yaib", public_data)
    assert len({schema.features for schema in reading.schemas}) == 1
    assert reading.schemas[0].features[-5:] == ("age", "height", "weight", "sex=Female", "sex=Male")
    for part in parts.values():
        hours = [i for i, name in enumerate(reading.schemas[0].features) if name.endswith(".hours")]
        window = _specs()["icu_demo_yaib"].outcomes[part.table].window_hours
        assert part.x[:, hours].max() == window
        observed = part.x[:, hours].sum() / (len(part.x) * len(hours) * window)
        assert 0.15 < observed < 0.35  # about four fifths are missing


@pytest.mark.public
@pytest.mark.parametrize("outcome", ["aki", "sepsis"])
def test_hourly_labels_against_pandas(public_data: Path, outcome: str) -> None:
    reading, parts = _read("icu_demo_yaib", public_data)
    labels = pd.read_parquet(public_data / "icu_demo_yaib" / outcome / "eicu_demo" / "outc.parquet")
    hour = labels.time / pd.Timedelta(hours=1)
    already = set(labels.stay_id[labels.label & (hour < 12)])
    ahead = labels[(hour >= 12) & (hour < 36) & ~labels.stay_id.isin(already)].groupby("stay_id").label.any()
    found = dict(zip(parts[outcome].group_ids, parts[outcome].y[:, 0] == 1, strict=True))
    assert found == {str(stay): label for stay, label in ahead.items()}
    assert _lost(reading, outcome)["positive before hour 12"] == len(already)


@pytest.mark.public
def test_length_of_stay_is_what_remains_at_hour_24(public_data: Path) -> None:
    reading, parts = _read("icu_demo_yaib", public_data)
    labels = pd.read_parquet(public_data / "icu_demo_yaib" / "los" / "eicu_demo" / "outc.parquet")
    at = labels[labels.time == pd.Timedelta(hours=24)]
    assert parts["los"].group_ids.tolist() == at.stay_id.astype(str).tolist()
    np.testing.assert_array_equal(parts["los"].y[:, 0], at.label)
    assert _lost(reading, "los")["ended before hour 24"] == 2267 - len(at)


@pytest.mark.public
def test_common_stays_are_common_groups(public_data: Path) -> None:
    reading, parts = _read("icu_demo_yaib", public_data)
    folders = [public_data / "icu_demo_yaib" / name / "eicu_demo" / "sta.parquet" for name in parts]
    stays = set.intersection(*({str(i) for i in pd.read_parquet(folder).stay_id} for folder in folders))
    assert len(stays) == 262
    common = set.intersection(*(set(part.group_ids) for part in parts.values()))
    assert common
    assert common <= stays
    assert reading.group_namespace == "icu_demo_yaib"


# ---- unrelated clinical tables


@pytest.mark.public
def test_all_nineteen_tables_are_read_with_the_classes_of_the_manifest(public_data: Path) -> None:
    reading, parts = _read("uci_clinical", public_data)
    manifest = pd.read_csv(public_data / "uci_clinical" / "manifest.csv").set_index("dataset")
    assert set(parts) == set(manifest.index)
    for schema in reading.schemas:
        (target,) = schema.targets
        assert (target.name, target.n_classes) == tuple(manifest.loc[schema.table, ["target", "n_classes"]])
        kept = 125 if schema.table == "biomed" else manifest.loc[schema.table, "rows"]
        assert len(parts[schema.table].x) == kept


@pytest.mark.public
def test_pima_zeros_are_missing_but_a_childless_woman_is_not(public_data: Path) -> None:
    reading, parts = _read("uci_clinical", public_data)
    missing = {
        name: int(np.isnan(_column(reading, parts["diabetes"], name)).sum())
        for name in ("preg", "plas", "pres", "skin", "insu", "mass", "pedi", "age")
    }
    assert missing == {
        "preg": 0,
        "plas": 5,
        "pres": 35,
        "skin": 227,
        "insu": 374,
        "mass": 11,
        "pedi": 0,
        "age": 0,
    }


@pytest.mark.public
def test_no_identifier_date_or_consequence_is_an_input(public_data: Path) -> None:
    reading, _ = _read("uci_clinical", public_data)
    inputs = {schema.table: {name.split("=")[0] for name in schema.features} for schema in reading.schemas}
    assert inputs["biomed"] == {"Age_of_patient", "ml", "m2", "m3", "m4"}
    assert not inputs["schizo"] & {"ID", "class"}
    assert not inputs["colic"] & {"outcome", "surgery", "surgical_lesion"}


@pytest.mark.public
def test_patients_with_several_records_are_one_group(public_data: Path) -> None:
    _, parts = _read("uci_clinical", public_data)
    assert len(set(parts["schizo"].group_ids)) == 86
    assert len(parts["schizo"].x) == 340
    assert len(set(parts["colic"].group_ids)) == 357  # eleven horses are in both of the original files
    biomed = pd.read_csv(public_data / "uci_clinical" / "biomed.csv")
    assert len(parts["biomed"].x) == (biomed.Observation_number == 1).sum()


@pytest.mark.public
def test_the_clustered_tables_do_hold_the_same_patients(public_data: Path) -> None:
    """If this ends, the clusters of the configuration have lost their reason."""
    folder = public_data / "uci_clinical"
    for one, other in (("column2C", "column3C"), ("hypothyroid", "sick")):
        left, right = (pd.read_csv(folder / f"{name}.csv").iloc[:, :-1] for name in (one, other))
        pd.testing.assert_frame_equal(left, right)
