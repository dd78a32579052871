"""MEDS 0.4: windows, roles of codes, shards, and every broken promise. The events are fabricated."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from meds import DataSchema, birth_code, death_code
from pydantic import TypeAdapter

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.sources import meds_shards, open_source
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import Reading
from med_maml_pipeline.sources.spec import SourceSpec
from med_maml_pipeline.tasks.types import FeatureKind, TargetType

SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)
SECRET = 770_913
START = datetime(2020, 1, 1)
Event = tuple[int, float | None, str, float | None]
"""Subject, days since START (None: static), code, value."""


def _frame(events: list[Event]) -> pa.Table:
    times = [None if day is None else START + timedelta(days=day) for _, day, _, _ in events]
    table = pa.table(
        {
            "subject_id": pa.array([event[0] for event in events], pa.int64()),
            "time": pa.array(times, pa.timestamp("us")),
            "code": pa.array([event[2] for event in events], pa.string()),
            "numeric_value": pa.array([event[3] for event in events], pa.float32()),
            "text_value": pa.array(["free text"] * len(events), pa.large_string()),
        }
    )
    DataSchema.validate(table)
    return table


def _write(root: Path, shards: dict[str, list[Event]]) -> None:
    for name, events in shards.items():
        path = root / "export" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_frame(events), path)


def _open(root: Path, **fields: Any) -> Reading:
    spec = SPEC.validate_python(
        {
            "format": "meds",
            "path": "export",
            "min_category_count": 1,
            "window_days": 10,
            "tasks": [{"family": "condition", "kind": "target"}],
            **fields,
        }
    )
    return open_source("ward", spec, root)


def _read(
    root: Path, **fields: Any
) -> tuple[Reading, dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """The reading, and features and targets by subject and name."""
    reading = _open(root, **fields)
    (schema,) = reading.schemas
    targets = [target.name for target in schema.targets]
    x: dict[str, dict[str, float]] = {}
    y: dict[str, dict[str, float]] = {}
    for part in reading.parts:
        for row, subject in enumerate(part.group_ids):
            x[subject] = dict(zip(schema.features, part.x[row].tolist(), strict=True))
            y[subject] = dict(zip(targets, part.y[row].tolist(), strict=True))
    return reading, x, y


def _patient(subject: int, *events: tuple[float | None, str, float | None]) -> list[Event]:
    return [(subject, *event) for event in events]


ONE = _patient(
    1,
    (None, "GENDER//F", None),
    (None, "SITE//A", None),
    (-3652.5, birth_code, None),
    (0, "ADMISSION//ED", None),
    (1, "LAB//K", 4.0),
    (2, "LAB//K", 6.0),
    (3, "LAB//K", None),
    (3, "DRUG//X", None),
    (4, "DRUG//X", None),
    (10, "LAB//K", 9.0),
    (30, "DIAGNOSIS//I10", None),
)
TWO = _patient(
    2,
    (None, "GENDER//M", None),
    (0, "SITE//B", None),
    (5, "DRUG//X", None),
    (9.99, "LAB//K", 5.0),
    (20, "OUTCOME//LOS", 7.0),
    (21, "OUTCOME//LOS", 8.0),
    (22, "OUTCOME//ICU", None),
)
OUTCOMES = {
    "icu": {"code": "OUTCOME//ICU", "target_type": "binary"},
    "los": {"code": "OUTCOME//LOS", "target_type": "regression"},
}


def test_summaries_of_the_window_by_hand(tmp_path: Path) -> None:
    _write(tmp_path, {"0.parquet": ONE + TWO})
    reading, x, _ = _read(tmp_path)
    one = x["1"]
    assert one.pop("age_years") == pytest.approx(10.0)
    assert one == {
        "LAB//K.count": 2, "LAB//K.last": 6, "LAB//K.mean": 5, "LAB//K.min": 4, "LAB//K.max": 6,
        "DRUG//X.count": 2, "ADMISSION//ED.count": 1, "GENDER//F.recorded": 1, "GENDER//M.recorded": 0,
    } | {name: 0 for name in one if name.startswith("OUTCOME")}  # fmt: skip
    assert np.isnan(x["2"]["age_years"])
    kinds = dict(zip(reading.schemas[0].features, reading.schemas[0].kinds, strict=True))
    assert kinds["LAB//K.count"] is FeatureKind.COUNT
    assert kinds["LAB//K.mean"] is FeatureKind.NUMERIC
    assert kinds["GENDER//F.recorded"] is FeatureKind.INDICATOR
    assert not reading.groups_span_parts


def test_a_missing_measurement_is_missing_and_a_missing_event_is_zero(tmp_path: Path) -> None:
    _write(tmp_path, {"0.parquet": ONE + _patient(3, (0, "ADMISSION//ED", None))})
    _, x, _ = _read(tmp_path)
    assert x["3"]["LAB//K.count"] == 0
    assert x["3"]["DRUG//X.count"] == 0
    assert np.isnan(x["3"]["LAB//K.last"])


def test_no_predicted_code_is_an_input_even_inside_the_window(tmp_path: Path) -> None:
    early = _patient(
        3,
        (0, "DIAGNOSIS//I10", None),
        (1, "DIAGNOSIS//E11", None),
        (1, "OUTCOME//ICU", None),
        (2, "OUTCOME//LOS", 3.0),
        (2, "SECRET//NOTE", None),
        (3, "DRUG//X", None),
        (4, death_code, None),
    )
    _write(tmp_path, {"0.parquet": ONE + TWO + early})
    reading, x, y = _read(tmp_path, outcomes=OUTCOMES, exclude_codes=["SECRET//*"])
    used = {name.rsplit(".", 1)[0] for name in reading.schemas[0].features}
    assert used == {"age_years", "LAB//K", "DRUG//X", "ADMISSION//ED", "GENDER//F", "GENDER//M"}
    assert y["3"]["DIAGNOSIS//I10"] == y["3"]["DIAGNOSIS//E11"] == 1
    without = [event for event in early if not event[2].startswith(("DIAGNOSIS", "OUTCOME", "SECRET"))]
    # the first event sets the window, so put a neutral one in its place
    _write(tmp_path, {"0.parquet": ONE + TWO + [(3, 0, "SITE//A", None), *without]})
    _, bare, _ = _read(tmp_path, outcomes=OUTCOMES, exclude_codes=["SECRET//*"])
    assert {k: v for k, v in x["3"].items() if v == v} == {k: v for k, v in bare["3"].items() if v == v}


def test_conditions_count_at_any_time_and_outcomes_after_the_window(tmp_path: Path) -> None:
    inside = _patient(3, (0, "DRUG//X", None), (1, "OUTCOME//ICU", None), (2, "OUTCOME//LOS", 3.0))
    dead = _patient(4, (0, "DRUG//X", None), (5, death_code, None), (20, "OUTCOME//ICU", None))
    _write(tmp_path, {"0.parquet": ONE + TWO + inside + dead})
    reading, _, y = _read(tmp_path, outcomes=OUTCOMES)
    assert [(t.name, t.target_type) for t in reading.schemas[0].targets] == [
        ("DIAGNOSIS//I10", TargetType.BINARY),
        ("icu", TargetType.BINARY),
        ("los", TargetType.REGRESSION),
    ]
    assert [y[subject]["DIAGNOSIS//I10"] for subject in "1234"] == [1, 0, 0, 0]
    assert [y[subject]["icu"] for subject in "123"] == [0, 1, 0]
    assert y["2"]["los"] == 7  # the first value
    assert np.isnan(y["3"]["los"])
    assert np.isnan(y["4"]["icu"])  # died within the window: unobserved


def test_sites_are_strata(tmp_path: Path) -> None:
    _write(tmp_path, {"0.parquet": ONE + TWO + _patient(3, (0, "DRUG//X", None))})
    (part,) = list(_open(tmp_path).parts)
    assert part.strata is not None
    assert part.strata.tolist() == ["A", "B", "unknown"]
    (part,) = list(_open(tmp_path, site_prefix=None).parts)
    assert part.strata is None


def test_subjects_without_a_timed_event_are_counted_out(tmp_path: Path) -> None:
    static = _patient(3, (None, "GENDER//F", None)) + _patient(4, (0, birth_code, None))
    _write(tmp_path, {"0.parquet": ONE + static})
    reading, x, _ = _read(tmp_path)
    assert list(x) == ["1"]
    assert [(row.step, row.kept, row.lost) for row in reading.attrition] == [
        ("subjects read", 3, 0),
        ("no timed event", 1, 2),
    ]


def _many(n: int, first: int = 0) -> list[Event]:
    events: list[Event] = []
    for subject in range(first, first + n):
        events += _patient(subject, (0, "ADMISSION//ED", None), (1, "LAB//K", float(subject % 7)))
        events += _patient(
            subject, (2, f"DRUG//{subject % 5}", None), (20, f"DIAGNOSIS//{subject % 3}", None)
        )
    return events


def test_examples_do_not_depend_on_how_subjects_are_sharded(tmp_path: Path) -> None:
    events = _many(60)
    _write(tmp_path / "whole", {"0.parquet": events})
    _write(tmp_path / "split", {f"train/{i}.parquet": events[i * 80 : (i + 1) * 80] for i in range(3)})
    whole, split = (_open(tmp_path / name, min_category_count=5, max_codes=4) for name in ("whole", "split"))
    assert whole.schemas == split.schemas
    parts = list(split.parts)
    (one,) = list(whole.parts)
    assert len(parts) == 3
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), one.x)
    np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), one.y)


def test_rare_codes_are_no_feature_and_no_target_and_the_most_frequent_win(tmp_path: Path) -> None:
    rare = _patient(900, (0, "ADMISSION//ED", None), (1, "DRUG//rare", None), (2, "DIAGNOSIS//rare", None))
    _write(tmp_path, {"0.parquet": _many(60) + rare})
    reading = _open(tmp_path, min_category_count=2, max_codes=3)
    assert [target.name for target in reading.schemas[0].targets] == [f"DIAGNOSIS//{i}" for i in range(3)]
    used = {name.rsplit(".", 1)[0] for name in reading.schemas[0].features}
    assert used == {"age_years", "ADMISSION//ED", "LAB//K", "DRUG//0"}  # 61, 60, then 12 subjects each


def test_memory_does_not_grow_with_the_number_of_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most the shard at hand and the one before it are alive, in both passes; and no part is kept."""
    shards: list[weakref.ref[pl.DataFrame]] = []
    most = [0]
    read = meds_shards.MedsShards._read

    def watched(self: meds_shards.MedsShards, path: Path, place: Place) -> pl.DataFrame:
        shard = read(self, path, place)
        shards.append(weakref.ref(shard))
        most[0] = max(most[0], sum(one() is not None for one in shards))
        return shard

    monkeypatch.setattr(meds_shards.MedsShards, "_read", watched)
    _write(tmp_path, {f"{number:02d}.parquet": _many(20, first=20 * number) for number in range(8)})
    reading = _open(tmp_path)
    parts = [weakref.ref(part) for part in reading.parts]
    assert len(parts) == 8
    assert len(shards) == 16
    assert most[0] <= 2
    assert sum(part() is not None for part in parts) <= 1


def _types(**types: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        for name, kind in types.items():
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(kind))
        return table

    return change


WRONG_TYPES: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "text time": (
        _types(time=pa.string()),
        r"the column 'time' has the type string; expected timestamp\[us\]",
    ),
    "date": (_types(time=pa.date32()), "'time' has the type date32"),
    "zoned time": (_types(time=pa.timestamp("us", "UTC")), "'time' has the type timestamp"),
    "text value": (_types(numeric_value=pa.string()), "'numeric_value' has the type string; expected float"),
    "text subject": (_types(subject_id=pa.string()), "'subject_id' has the type string; expected int64"),
    "numeric code": (lambda t: t.set_column(2, "code", pa.array(range(len(t)))), "'code' has the type int64"),
    "no code": (lambda t: t.drop_columns(["code"]), "the column 'code' is absent"),
}


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_a_wrong_column_type_names_the_shard_by_number(tmp_path: Path, case: str) -> None:
    change, message = WRONG_TYPES[case]
    _write(tmp_path, {"0.parquet": ONE, f"{SECRET}.parquet": TWO})
    path = tmp_path / "export" / "data" / f"{SECRET}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(DataError, match=message) as caught:
        _open(tmp_path)
    assert "path 'export', shard 2 of 2" in str(caught.value)
    assert str(SECRET) not in str(caught.value)


def test_numeric_and_text_values_may_be_absent(tmp_path: Path) -> None:
    _write(tmp_path, {"0.parquet": ONE})
    path = tmp_path / "export" / "data" / "0.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["numeric_value", "text_value"]), path)
    _, x, _ = _read(tmp_path)
    assert x["1"]["LAB//K.count"] == 3


BROKEN: dict[str, tuple[list[Event], str]] = {
    "unsorted times": (
        _patient(SECRET, (0, "A", None), (3, "A", None), (2, "A", None), (2, "A", None), (1, "A", None)),
        r"2 events come before an earlier row of the same subject \(unsorted times\), first in row 14",
    ),
    "static after timed": (_patient(SECRET, (0, "A", None), (None, "B", None)), "1 events come before"),
    "before birth": (
        _patient(SECRET, (-9, "A", None), (-8, "A", None), (0, birth_code, None), (1, "A", None)),
        r"2 events lie before the subject's birth, first in row 12",
    ),
    "in pieces": (
        _patient(SECRET, (0, "A", None)) + _patient(5, (0, "A", None)) + _patient(SECRET, (1, "A", None)),
        r"2 runs of events belong to subjects whose events are not contiguous, first in row 12",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_promise_is_refused_with_counts_and_row_numbers(tmp_path: Path, case: str) -> None:
    events, message = BROKEN[case]
    _write(tmp_path, {"0.parquet": ONE + events})  # ONE has eleven rows
    with pytest.raises(DataError, match=message) as caught:
        _open(tmp_path)
    assert "shard 1 of 1" in str(caught.value)
    assert str(SECRET) not in str(caught.value)


@pytest.mark.parametrize("column", ["subject_id", "code"])
def test_rows_without_subject_or_code(tmp_path: Path, column: str) -> None:
    _write(tmp_path, {"0.parquet": ONE})
    path = tmp_path / "export" / "data" / "0.parquet"
    frame = pl.DataFrame(pq.read_table(path))
    spoilt = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise(pl.col(column)).alias(column)
    )
    table = spoilt.to_arrow()
    pq.write_table(table.set_column(2, "code", table["code"].cast(pa.string())), path)
    with pytest.raises(DataError, match=f"1 rows lack the column '{column}', first in row 5"):
        _open(tmp_path)


@pytest.mark.parametrize("slice_size", [2_000_000, 3])
def test_a_subject_in_two_shards(tmp_path: Path, slice_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meds_shards, "_IDS_AT_ONCE", slice_size)
    interleaved = [_patient(subject, (0, "A", None)) for subject in (1, 2, 3, 4, 5, 6)]
    odd, even = sum(interleaved[::2], []), sum(interleaved[1::2], [])
    condition = _patient(9, (0, "DIAGNOSIS//I10", None))
    _write(tmp_path, {"0.parquet": odd, "1.parquet": even, "2.parquet": condition})
    assert len(list(_open(tmp_path).parts)) == 3  # ranges overlap, subjects do not
    _write(tmp_path, {"1.parquet": even + _patient(5, (1, "A", None))})
    with pytest.raises(DataError, match="1 subjects have events in more than one shard"):
        _open(tmp_path)


def test_missing_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        _open(tmp_path)
    (tmp_path / "export").mkdir()
    with pytest.raises(DataError, match="no Parquet shard under the folder 'data'"):
        _open(tmp_path)
    _write(tmp_path, {"0.parquet": ONE})
    with pytest.raises(DataError, match="leaves its folder"):
        _open(tmp_path / "export", path="..")
    (tmp_path / f"{SECRET}.parquet").write_bytes(b"")
    (tmp_path / "export" / "data" / f"{SECRET}.parquet").symlink_to(tmp_path / f"{SECRET}.parquet")
    with pytest.raises(DataError, match="1 shards are links that leave their folder") as caught:
        _open(tmp_path)
    assert str(SECRET) not in str(caught.value)


def test_a_damaged_shard_does_not_name_its_file(tmp_path: Path) -> None:
    _write(tmp_path, {"0.parquet": ONE})
    (tmp_path / "export" / "data" / f"{SECRET}.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="shard 2 of 2: the shard is not readable Parquet") as caught:
        _open(tmp_path)
    assert str(SECRET) not in str(caught.value)
    assert caught.value.__suppress_context__


def test_nothing_to_learn_is_said_so(tmp_path: Path) -> None:
    _write(tmp_path, {"0.parquet": ONE})
    with pytest.raises(DataError, match="no code matches 'condition_codes'"):
        _open(tmp_path, condition_codes=["ICD10//*"])
    with pytest.raises(DataError, match="no input code is shared by enough of the 1 subjects"):
        _open(tmp_path, min_category_count=2)
    with pytest.raises(DataError, match="no subject has an event of outcome 'icu' after"):
        _open(tmp_path, outcomes={"icu": OUTCOMES["icu"]})
