"""Hourly tables: windows, label rules and every reason to refuse them. The stays are fabricated."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.spec import SourceSpec
from med_maml_pipeline.tasks.types import FeatureKind, TargetType

SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)
SECRET = 990_077  # a stay's number, which no message may carry
BINARY: dict[str, Any] = {"target_type": "binary", "window_hours": 2}


def _outcome(
    root: Path,
    lengths: dict[int, int],
    labels: dict[int, list[float]] | dict[int, float],
    folder: str = "out",
) -> None:
    """Stays with so many hours; ``hr`` is 100 + hour, ``lact`` is measured in odd hours only."""
    place = root / "icu" / folder
    place.mkdir(parents=True, exist_ok=True)
    stays = [stay for stay, hours in lengths.items() for _ in range(hours)]
    hours = [hour for length in lengths.values() for hour in range(length)]
    time = pl.Series([timedelta(hours=hour) for hour in hours], dtype=pl.Duration("ms"))
    values = {
        "hr": [100.0 + hour for hour in hours],
        "lact": [float(hour) if hour % 2 else float("nan") for hour in hours],
    }
    pl.DataFrame({"stay_id": stays, "time": time, **values}).write_parquet(place / "dyn.parquet")
    pl.DataFrame(
        {
            "stay_id": list(lengths),
            "age": [50.0 + number for number in range(len(lengths))],
            "sex": ["Female" if number % 2 else "Male" for number in range(len(lengths))],
        }
    ).write_parquet(place / "sta.parquet")
    first = next(iter(labels.values()))
    if isinstance(first, list):
        flat = [value for values in labels.values() for value in values]  # type: ignore[union-attr]
        outc = pl.DataFrame({"stay_id": stays, "time": time, "label": flat})
    else:
        outc = pl.DataFrame({"stay_id": list(labels), "label": list(labels.values())})
    outc.write_parquet(place / "outc.parquet")


def _open(root: Path, min_category_count: int = 1, **outcomes: dict[str, Any]) -> Reading:
    spec = SPEC.validate_python(
        {
            "format": "hourly",
            "path": "icu",
            "min_category_count": min_category_count,
            "outcomes": {name: {"folder": "out", **outcome} for name, outcome in outcomes.items()},
            "tasks": [{"family": "outcome", "kind": "target"}],
        }
    )
    return open_source("unit", spec, root)


def _part(reading: Reading) -> TablePart:
    (part,) = list(reading.parts)
    return part


def test_inputs_are_summaries_of_the_window_alone(tmp_path: Path) -> None:
    _outcome(tmp_path, {1: 6, 2: 6}, {1: 0, 2: 1})
    reading = _open(tmp_path, dead={"target_type": "binary", "window_hours": 4})
    part = _part(reading)
    found = dict(zip(reading.schemas[0].features, part.x[0], strict=True))
    assert found == {
        "hr.last": 103, "hr.mean": 101.5, "hr.min": 100, "hr.max": 103, "hr.hours": 4,
        "lact.last": 3, "lact.mean": 2, "lact.min": 1, "lact.max": 3, "lact.hours": 2,
        "age": 50, "sex=Female": 0, "sex=Male": 1,
    }  # fmt: skip
    kinds = dict(zip(reading.schemas[0].features, reading.schemas[0].kinds, strict=True))
    assert kinds["hr.hours"] is FeatureKind.COUNT
    assert kinds["hr.last"] is FeatureKind.NUMERIC
    assert kinds["sex=Male"] is FeatureKind.INDICATOR
    np.testing.assert_array_equal(part.y, [[0], [1]])
    assert part.group_ids.tolist() == ["1", "2"]


def test_what_follows_the_window_cannot_change_the_inputs(tmp_path: Path) -> None:
    """The trap: the label hour itself, or a length of stay told by the number of rows."""
    lengths = {1: 5, 2: 9, 3: 30}
    labels = {stay: [float(length - hour) for hour in range(length)] for stay, length in lengths.items()}
    _outcome(tmp_path, lengths, labels)
    part = _part(_open(tmp_path, los={"target_type": "regression", "window_hours": 4, "label_at_hour": 4}))
    np.testing.assert_array_equal(part.y[:, 0], [1, 5, 26])
    varying = part.x[:, :10]  # all but the static columns
    np.testing.assert_array_equal(varying[0], varying[1])
    np.testing.assert_array_equal(varying[0], varying[2])


def test_label_at_hour_leaves_out_shorter_stays_and_counts_them(tmp_path: Path) -> None:
    lengths = {1: 3, 2: 4, 3: 5, 4: 9}
    labels = {stay: [float(length - hour) for hour in range(length)] for stay, length in lengths.items()}
    _outcome(tmp_path, lengths, labels)
    reading = _open(tmp_path, los={"target_type": "regression", "window_hours": 4, "label_at_hour": 4})
    part = _part(reading)
    assert part.group_ids.tolist() == ["3", "4"]
    assert [(row.step, row.kept, row.lost) for row in reading.attrition] == [
        ("stays read", 4, 0),
        ("ended before hour 4", 2, 2),
    ]


def test_horizon_rule_at_its_borders(tmp_path: Path) -> None:
    labels = {
        1: [0, 1, 0, 0, 0, 0],  # already positive inside the window: out, though negative later
        2: [0, 0, 1, 0, 0, 0],  # the first hour after the window
        3: [0, 0, 0, 0, 1, 0],  # the last hour of the horizon (2 + 3 - 1)
        4: [0, 0, 0, 0, 0, 1],  # too late
        5: [0, 0],  # ended with the window: unobserved
        6: [0, 0, 0],  # seen for one hour more, negative
    }
    lengths = {stay: len(hours) for stay, hours in labels.items()}
    _outcome(tmp_path, lengths, {stay: [float(v) for v in hours] for stay, hours in labels.items()})
    reading = _open(tmp_path, aki={**BINARY, "horizon_hours": 3})
    part = _part(reading)
    assert dict(zip(part.group_ids, part.y[:, 0], strict=True)) == {"2": 1, "3": 1, "4": 0, "6": 0}
    assert [(row.step, row.lost) for row in reading.attrition] == [
        ("stays read", 0),
        ("positive before hour 2", 1),
        ("ended before hour 2", 1),
    ]


def test_outcomes_share_columns_and_the_groups_of_their_common_stays(tmp_path: Path) -> None:
    _outcome(tmp_path, {1: 4, 2: 4, 3: 4}, {1: 0, 2: 1, 3: 0}, "a")
    _outcome(tmp_path, {3: 4, 1: 4}, {3: 0.5, 1: 2.5}, "b")
    reading = _open(
        tmp_path,
        min_category_count=2,
        one={**BINARY, "folder": "a"},
        two={"target_type": "regression", "window_hours": 2, "folder": "b"},
    )
    parts = {part.table: part for part in reading.parts}
    first, second = reading.schemas
    assert first.features == second.features
    assert first.kinds == second.kinds
    assert (first.targets[0].name, second.targets[0].target_type) == ("one", TargetType.REGRESSION)
    assert set(parts["two"].group_ids) <= set(parts["one"].group_ids)
    assert reading.group_namespace == "unit"
    assert "sex=Male" in first.features  # two stays over both outcomes


def test_levels_of_few_stays_get_no_column(tmp_path: Path) -> None:
    _outcome(tmp_path, {1: 3, 2: 3, 3: 3}, {1: 0, 2: 1, 3: 0})
    reading = _open(tmp_path, min_category_count=2, dead=BINARY)
    assert [name for name in reading.schemas[0].features if "sex" in name] == ["sex=Male"]


def test_other_variables_in_one_outcome_are_refused(tmp_path: Path) -> None:
    _outcome(tmp_path, {1: 3, 2: 3}, {1: 0, 2: 1}, "a")
    _outcome(tmp_path, {1: 3, 2: 3}, {1: 0, 2: 1}, "b")
    dyn = tmp_path / "icu" / "b" / "dyn.parquet"
    pl.read_parquet(dyn).drop("lact").write_parquet(dyn)
    with pytest.raises(DataError, match="1 columns differ from those of the first outcome, such as 'lact'"):
        _open(tmp_path, one={**BINARY, "folder": "a"}, two={**BINARY, "folder": "b"})


def _spoil(root: Path, file: str, change: Any) -> None:
    path = root / "icu" / "out" / f"{file}.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


def _double(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame.head(1)])


BAD: dict[str, tuple[str, Any, str]] = {
    "repeated stay": ("sta", _double, r"1 rows repeat an identifier \(stay_id\)"),
    "repeated label": ("outc", _double, r"1 rows repeat an identifier \(stay_id\)"),
    "repeated hour": ("dyn", _double, r"1 rows repeat an identifier \(stay_id and elapsed\)"),
    "no stay column": ("outc", lambda f: f.rename({"stay_id": "id"}), "the column 'stay_id' is absent"),
    "no label": ("outc", lambda f: f.drop("label"), "the column 'label' is absent"),
    "text label": ("outc", lambda f: f.with_columns(label=pl.lit("x")), "'label' is not numeric"),
    "missing label": ("outc", lambda f: f.with_columns(label=pl.lit(float("nan"))), r"\(NaN\) in 2 of 2"),
    "one class": ("outc", lambda f: f.with_columns(label=pl.lit(0)), "2 remaining stays have one class only"),
    "other labels": ("outc", lambda f: f.with_columns(label=pl.lit(3)), "2 labels of a binary outcome"),
    "bare numbers as time": (
        "dyn",
        lambda f: f.with_columns(pl.col("time").dt.total_hours()),
        "'time' is of type Int64; expected a duration",
    ),
    "text variable": ("dyn", lambda f: f.with_columns(hr=pl.lit("x")), "1 hourly variables are not numeric"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    file, change, message = BAD[case]
    _outcome(tmp_path, {SECRET: 3, 2: 3}, {SECRET: 0, 2: 1})
    _spoil(tmp_path, file, change)
    with pytest.raises(DataError, match=message) as caught:
        list(_open(tmp_path, dead=BINARY).parts)
    assert str(caught.value).startswith("source 'unit', outcome 'dead'")
    assert str(SECRET) not in str(caught.value)


def test_a_missing_or_damaged_file(tmp_path: Path) -> None:
    _outcome(tmp_path, {1: 3, 2: 3}, {1: 0, 2: 1})
    dyn = tmp_path / "icu" / "out" / "dyn.parquet"
    dyn.write_bytes(b"nothing")
    with pytest.raises(DataError, match="'dyn.parquet': the file is not readable Parquet"):
        _open(tmp_path, dead=BINARY)
    dyn.unlink()
    with pytest.raises(DataError, match="no such file or folder"):
        _open(tmp_path, dead=BINARY)
    with pytest.raises(DataError, match="leaves its folder"):
        _open(tmp_path, dead={**BINARY, "folder": "../.."})


HOURLY = {1: [0.0, 0.0, 0.0], 2: [0.0, 0.0, 1.0]}
RULES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "hourly without rule": (HOURLY, BINARY, "labels are hourly"),
    "rule without hours": ({1: 0, 2: 1}, {**BINARY, "horizon_hours": 3}, "one label per stay"),
    "both rules": (HOURLY, {**BINARY, "horizon_hours": 3, "label_at_hour": 2}, "not both"),
    "numeric horizon": (HOURLY, {**BINARY, "target_type": "regression", "horizon_hours": 3}, "binary"),
    "label inside the window": (HOURLY, {**BINARY, "label_at_hour": 1}, "the inputs would see the label"),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_label_rules_that_do_not_fit(tmp_path: Path, case: str) -> None:
    labels, outcome, message = RULES[case]
    _outcome(tmp_path, {1: 3, 2: 3}, labels)
    with pytest.raises(ConfigurationError, match=message):
        list(_open(tmp_path, out=outcome).parts)
