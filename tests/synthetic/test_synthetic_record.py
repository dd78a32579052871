"""The record is valid MEDS 0.4, says nothing too early, and is a pure function of settings and seed."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import meds
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from synthetic_hospital import Hospital

from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.spec import MedsOutcome, MedsSource, TaskFamilySpec
from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_ehr, write_truth
from med_maml_pipeline.synthetic.outcomes import egfr
from med_maml_pipeline.synthetic.visits import OBSERVED_DAYS


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _shard(index: int, seed: int, **sizes: int) -> pa.Table:
    tables = [
        table
        for path, table in write_ehr(SyntheticHospitalSettings(**sizes), seed)
        if path.startswith("data/")
    ]
    return tables[index]


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    settings = SyntheticHospitalSettings(n_patients=300, patients_per_shard=200)
    first, second, other = (dict(write_ehr(settings, seed)) for seed in (3, 3, 4))
    assert list(first) == list(second)
    for path, content in first.items():
        if isinstance(content, Mapping):
            assert content == second[path]
        else:
            assert _parquet(content) == _parquet(second[path])
    assert _parquet(first["data/0.parquet"]) != _parquet(other["data/0.parquet"])


@pytest.mark.parametrize("shard", [0, 1])
def test_a_shard_does_not_depend_on_how_many_follow(shard: int) -> None:
    few = _shard(shard, 5, n_patients=400, patients_per_shard=200)
    many = _shard(shard, 5, n_patients=900, patients_per_shard=200)
    assert few.equals(many)


def test_shards_differ_from_each_other() -> None:
    first, second = (
        _shard(number, 5, n_patients=400, patients_per_shard=200).drop_columns("subject_id")
        for number in (0, 1)
    )
    assert not first.equals(second)


def test_names_of_shards_sort_in_order_of_subjects() -> None:
    settings = SyntheticHospitalSettings(n_patients=44, patients_per_shard=4)
    names = [path for path, _ in write_ehr(settings, 0) if path.startswith("data/")]
    assert len(names) == settings.n_shards == 11
    assert names == sorted(names)
    assert sum(settings.shard_size(shard) for shard in range(settings.n_shards)) == 44


@pytest.mark.parametrize(
    "wrong",
    [{"n_patients": 0}, {"n_patients": 1_000_001}, {"n_diseases": 23}, {"n_assays": 59}, {"patients": 5}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SyntheticHospitalSettings.model_validate(wrong)


def test_every_shard_and_all_metadata_satisfy_meds(hospital: Hospital) -> None:
    for table in hospital.shards.values():
        meds.DataSchema.validate(table)
    codes = hospital.metadata[meds.code_metadata_filepath]
    meds.CodeMetadataSchema.validate(codes)
    meds.DatasetMetadataSchema.validate(hospital.metadata[meds.dataset_metadata_filepath])
    assert set(hospital.events["code"]) <= set(codes["code"].to_pylist())


def test_subjects_are_contiguous_whole_and_sorted_with_static_events_first(hospital: Hospital) -> None:
    seen: set[int] = set()
    for table in hospital.shards.values():
        subject = table["subject_id"].to_numpy()
        assert (np.diff(subject) >= 0).all()  # ascending, hence contiguous
        here = set(subject.tolist())
        assert not here & seen
        seen |= here
        time = np.where(
            table["time"].is_null(), np.iinfo(np.int64).min, table["time"].cast(pa.int64()).fill_null(0)
        )
        same = np.diff(subject) == 0
        assert (np.diff(time.astype(object))[same] >= 0).all()
    assert seen == set(range(1, hospital.settings.n_patients + 1))


def test_birth_comes_before_and_death_after_all_that_has_a_time(hospital: Hospital) -> None:
    timed = hospital.events.drop_nulls("time")
    first = timed.group_by("subject_id", maintain_order=True).agg(pl.col("code").first())
    assert set(first["code"]) == {meds.birth_code}
    dead = timed.filter(pl.col("code") == meds.death_code)
    assert 0.05 < len(dead) / hospital.settings.n_patients < 0.35
    last = timed.group_by("subject_id", maintain_order=True).agg(pl.col("code").last())
    assert set(last.join(dead, on="subject_id", how="semi")["code"]) == {meds.death_code}


def _since_first_admission(events: pl.DataFrame) -> pl.DataFrame:
    index = (
        events.filter(pl.col("time").is_not_null() & (pl.col("code") != meds.birth_code))
        .group_by("subject_id")
        .agg(index=pl.col("time").min())
    )
    return events.join(index, on="subject_id").with_columns(since=pl.col("time") - pl.col("index"))


def test_outcomes_and_death_come_after_the_observed_year(hospital: Hospital) -> None:
    late = _since_first_admission(hospital.events).filter(
        pl.col("code").str.starts_with("OUTCOME//") | (pl.col("code") == meds.death_code)
    )
    assert late["code"].n_unique() == 9  # five binary, three numeric, death
    assert late["since"].min() > timedelta(days=OBSERVED_DAYS)  # type: ignore[operator]


def test_diagnoses_are_recorded_at_a_discharge(hospital: Hospital) -> None:
    discharged = hospital.events.filter(pl.col("code").str.starts_with("DISCHARGE//"))
    diagnosed = hospital.events.filter(pl.col("code").str.starts_with("DIAGNOSIS//"))
    assert len(diagnosed) > 1000
    assert diagnosed.join(discharged, on=["subject_id", "time"], how="anti").is_empty()


def test_stays_do_not_overlap(hospital: Hospital) -> None:
    doors = hospital.events.filter(pl.col("code").str.contains("^(ADMISSION|DISCHARGE)//"))
    for _, codes in doors.group_by("subject_id", maintain_order=True).agg("code").iter_rows():
        kinds = [code.split("//")[0] for code in codes]
        assert all(a != b for a, b in pairwise(kinds))  # in, out, in, out
        assert kinds[0] == "ADMISSION"


def test_patients_come_several_times(hospital: Hospital) -> None:
    visits = (
        hospital.events.filter(pl.col("code").str.starts_with("ADMISSION//")).group_by("subject_id").len()
    )
    assert visits["len"].median() >= 3
    assert visits["len"].max() >= 6


def test_length_of_stay_is_that_of_the_first_stay_after_the_year(hospital: Hospital) -> None:
    events = _since_first_admission(hospital.events).filter(pl.col("since") > timedelta(days=OBSERVED_DAYS))
    admitted = (
        events.filter(pl.col("code").str.starts_with("ADMISSION//"))
        .group_by("subject_id")
        .agg(start=pl.col("time").min())
    )
    stay = events.filter(pl.col("code") == "OUTCOME//LOS_DAYS").join(admitted, on="subject_id")
    days = (stay["time"] - stay["start"]).dt.total_minutes() / 1440
    assert len(stay) > 1000
    np.testing.assert_allclose(stay["numeric_value"], days, atol=0.01)


def test_units_are_in_the_code_and_site_b_reports_si(hospital: Hospital) -> None:
    sites = hospital.patients.select("subject_id", "site")
    glucose = hospital.events.filter(pl.col("code").str.starts_with("LAB//glucose//")).join(
        sites, on="subject_id"
    )
    by_site = {site: set(group["code"]) for (site,), group in glucose.group_by("site")}
    assert by_site == {
        "A": {"LAB//glucose//mg/dL"},
        "B": {"LAB//glucose//mmol/L"},
        "C": {"LAB//glucose//mg/dL"},
    }
    median = {code: group["numeric_value"].median() for (code,), group in glucose.group_by("code")}
    assert median["LAB//glucose//mg/dL"] / median["LAB//glucose//mmol/L"] == pytest.approx(18, rel=0.1)


def test_text_results_are_text_only(hospital: Hospital) -> None:
    text = hospital.events.drop_nulls("text_value")
    assert set(text["code"]) == {"LAB//urine_protein//dipstick"}
    assert set(text["text_value"]) == {"negative", "trace", "1+", "2+", "3+"}
    assert text["numeric_value"].null_count() == len(text)


def test_the_meds_reader_accepts_the_record(tmp_path: Path) -> None:
    settings = SyntheticHospitalSettings(n_patients=400, patients_per_shard=150, n_molecules=100)
    (tmp_path / "data").mkdir()
    for path, content in write_ehr(settings, 1):
        if path.startswith("data/"):
            pq.write_table(content, tmp_path / path)
    spec = MedsSource(
        format="meds",
        path=".",
        outcomes={"stay": MedsOutcome(code="OUTCOME//LOS_DAYS", target_type="regression")},
        tasks=(TaskFamilySpec(family="condition", kind="target"),),
    )
    reading = open_source("synthetic", spec, tmp_path)
    parts = list(reading.parts)
    assert sum(len(part.x) for part in parts) == 400
    strata = np.concatenate([part.strata for part in parts if part.strata is not None])
    truth = [
        table["site"].to_pylist() for path, table in write_truth(settings, 1) if path.startswith("patients/")
    ]
    assert [name.removeprefix("SITE//") for name in strata] == [site for shard in truth for site in shard]


@pytest.mark.parametrize(
    ("creatinine", "age", "female", "expected"),
    [(1.0, 50.0, True, 69), (1.2, 60.0, False, 69), (0.6, 30.0, True, 124)],
)
def test_filtration_rate_agrees_with_the_formula_worked_by_hand(
    creatinine: float, age: float, female: bool, expected: float
) -> None:
    rate = egfr(np.array([creatinine]), np.array([age]), np.array([female]))
    assert rate[0] == pytest.approx(expected, abs=0.6)
