"""Tables: roles of columns, exclusions, and every reason to refuse one. The cells are fabricated."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.cells import canonical
from med_maml_pipeline.sources.icd9 import icd9_chapter
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.spec import SourceSpec
from med_maml_pipeline.tasks.types import FeatureKind, TargetType

SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)
TASKS = [{"family": "table", "kind": "table"}]


def _table(
    root: Path, text: str, file: str = "t.csv", min_category_count: int = 1, **columns: Any
) -> Reading:
    (root / file).write_text(text)
    return _open(root, file, min_category_count, **columns)


def _open(root: Path, file: str, min_category_count: int = 1, **columns: Any) -> Reading:
    spec = SPEC.validate_python(
        {
            "format": "table",
            "path": file,
            "tasks": TASKS,
            "min_category_count": min_category_count,
            "columns": {"target": "y", **columns},
        }
    )
    return open_source("clinic", spec, root)


def _part(reading: Reading) -> TablePart:
    (part,) = list(reading.parts)
    return part


def _feature(reading: Reading, part: TablePart, name: str) -> np.ndarray:
    return part.x[:, reading.schemas[0].features.index(name)]


# ---- what is read


def test_numbers_categories_and_classes(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,c,y\n1.5,red,no\n,blue,yes\n3,,no\n", categorical=["c"])
    part = _part(reading)
    schema = reading.schemas[0]
    assert schema.features == ("a", "c=blue", "c=red")
    assert schema.kinds == (FeatureKind.NUMERIC, FeatureKind.INDICATOR, FeatureKind.INDICATOR)
    nan = np.nan
    np.testing.assert_array_equal(part.x, [[1.5, 0, 1], [nan, 1, 0], [3, nan, nan]])
    np.testing.assert_array_equal(part.y, [[0], [1], [0]])
    (target,) = schema.targets
    assert (target.name, target.target_type, target.n_classes) == ("y", TargetType.BINARY, 2)
    assert len(set(part.group_ids)) == 3
    assert reading.group_namespace == "clinic"


@pytest.mark.parametrize("file", ["t.csv", "t.tsv", "t.csv.gz", "t.parquet"])
def test_every_file_format_gives_the_same_examples(tmp_path: Path, file: str) -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "code": [1, 2, 1], "y": [0, 1, 0]})
    separator = "\t" if ".tsv" in file else ","
    if file.endswith("parquet"):
        frame.to_parquet(tmp_path / file)
    elif file.endswith("gz"):
        (tmp_path / file).write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    else:
        frame.to_csv(tmp_path / file, sep=separator, index=False)
    reading = _open(tmp_path, file, categorical=["code"])
    assert reading.schemas[0].features == ("a", "code=1", "code=2")
    np.testing.assert_array_equal(_part(reading).x, [[1, 1, 0], [np.nan, 0, 1], [3, 1, 0]])


def test_pandas_own_missing_markers_are_ordinary_levels(tmp_path: Path) -> None:
    reading = _table(tmp_path, "c,y\nNone,0\nNA,1\nNone,1\n", categorical=["c"])
    assert reading.schemas[0].features == ("c=NA", "c=None")


def test_markers_match_by_value_and_only_in_their_column(tmp_path: Path) -> None:
    text = "chol,oldpeak,y\n0.0,0,0\n210,0.0,1\n?,1,1\n"
    reading = _table(tmp_path, text, missing=["?"], missing_by_column={"chol": [0]})
    np.testing.assert_array_equal(_part(reading).x, [[np.nan, 0], [210, 0], [np.nan, 1]])


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("3", "3"), (" 3.0 ", "3"), (3.0, "3"), (3, "3"), ("+3", "3"), ("-0.0", "0"), ("0.50", "0.5"),
        ("007", "007"),
        ("250.83", "250.83"), ("12345678901234567890", "12345678901234567890"), ("", None), ("  ", None),
        (float("nan"), None), (None, None), (True, "1"), ("1e5", "1e5"), ("nan", "nan"),
    ],
)  # fmt: skip
def test_one_spelling_per_value(value: object, spelled: str | None) -> None:
    assert canonical(value) == spelled


def test_levels_of_few_patients_get_no_column(tmp_path: Path) -> None:
    rows = "\n".join(
        ["1,a,0", "1,a,1", "2,a,0", "2,b,1", "2,b,1", "3,b,0"]
    )  # b: patients 2 and 3; a: 1 and 2
    rows += "\n4,c,1\n4,c,0\n4,c,0"  # three rows, one patient
    reading = _table(tmp_path, f"p,c,y\n{rows}\n", min_category_count=2, categorical=["c"], group="p")
    assert reading.schemas[0].features == ("c=a", "c=b")
    assert not _part(reading).x[-1].any()


def test_classes_follow_their_sorted_names_as_numbers_or_text(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,y\n1,10\n2,9\n3,100\n")
    np.testing.assert_array_equal(_part(reading).y[:, 0], [1, 0, 2])
    assert reading.schemas[0].targets[0].target_type is TargetType.MULTICLASS


def test_positive_values_make_a_binary_task(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,y\n1,NO\n2,<30\n3,>30\n", positive=["<30", ">30"])
    np.testing.assert_array_equal(_part(reading).y[:, 0], [0, 1, 1])
    assert reading.schemas[0].targets[0].n_classes == 2


def test_majority_against_the_rest(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,y\n1,b\n2,a\n3,b\n4,c\n", majority_vs_rest=True)
    np.testing.assert_array_equal(_part(reading).y[:, 0], [0, 1, 0, 1])


def test_numeric_target(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,y\n1,0.5\n2,7\n", target_type="regression")
    np.testing.assert_array_equal(_part(reading).y[:, 0], [0.5, 7])
    assert reading.schemas[0].targets[0].target_type is TargetType.REGRESSION


def test_rare_classes_stay(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,y\n" + "1,x\n" * 9 + "2,y\n", min_category_count=5)
    assert _part(reading).y.sum() == 1


def test_identifiers_strata_and_dropped_columns_are_no_inputs(tmp_path: Path) -> None:
    text = "enc,pat,site,num,a,y\n9,1,north,4,5,1\n8,1,,0,6,0\n"
    reading = _table(tmp_path, text, id="enc", group="pat", stratum="site", drop=["num"])
    part = _part(reading)
    assert reading.schemas[0].features == ("a",)
    assert part.strata is not None
    assert part.strata.tolist() == ["north", "unknown"]
    assert part.group_ids.tolist() == ["1", "1"]


def test_the_first_encounter_per_patient_after_the_exclusions(tmp_path: Path) -> None:
    text = "enc,pat,disp,y\n30,1,1,1\n10,1,11,0\n20,1,1,0\n5,2,13,1\n9,2,1,1\n"
    reading = _table(
        tmp_path,
        text,
        id="enc",
        order="enc",
        group="pat",
        first_per_group=True,
        exclude_rows={"disp": [11, 13]},
    )
    part = _part(reading)
    np.testing.assert_array_equal(part.y[:, 0], [0, 1])  # encounter 20 of patient 1, 9 of patient 2
    assert [(row.kept, row.lost) for row in reading.attrition] == [(5, 0), (3, 2), (2, 1)]
    assert [row.step for row in reading.attrition][1:] == ["excluded by 'disp'", "later rows of a group"]


def test_numeric_order_is_not_alphabetical(tmp_path: Path) -> None:
    text = "visit,pat,a,y\n10,1,5,0\n9,1,7,1\n1,2,8,0\n"
    part = _part(_table(tmp_path, text, order="visit", group="pat", first_per_group=True))
    np.testing.assert_array_equal(part.x[:, 0], [7, 8])


def test_a_record_entered_twice_is_one_group(tmp_path: Path) -> None:
    part = _part(_table(tmp_path, "a,y\n1,0\n2,1\n1,0\n1,1\n,1\n,1\n", identical_rows_share_group=True))
    groups = part.group_ids.tolist()
    assert groups[0] == groups[2]
    assert groups[4] == groups[5]
    assert len(set(groups)) == 4


def test_icd9_codes_become_chapters(tmp_path: Path) -> None:
    reading = _table(tmp_path, "d,y\n250.83,0\n428,1\nV57,1\n,0\n", icd9=["d"])
    assert reading.schemas[0].features == ("d=circulatory", "d=endocrine", "d=supplementary factors")
    assert np.isnan(_part(reading).x[3]).all()


@pytest.mark.parametrize(
    ("code", "chapter"),
    [
        ("1", "infections"), ("139.8", "infections"), ("140", "neoplasms"), ("279.9", "endocrine"),
        ("280", "blood"),
        ("999.9", "injury"), ("780", "symptoms"), ("E909", "external causes"),
        ("V58.61", "supplementary factors"),
        ("25083", None), ("0", None), ("A41.9", None),
    ],
)  # fmt: skip
def test_icd9_chapter_borders(code: str, chapter: str | None) -> None:
    assert icd9_chapter(code) == chapter


def test_a_folder_of_tables_keeps_their_rows_apart(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("p,a,y\n1,2,0\n2,3,1\n")
    (tmp_path / "other.tsv").write_text("p\tb\tc\ty\n1\t2\t5\t0\n2\t3\t6\t1\n")
    columns = {"target": "y", "group": "p"}
    spec = SPEC.validate_python(
        {
            "format": "tables",
            "path": ".",
            "tasks": TASKS,
            "tables": {"one": {"columns": columns}, "two": {"columns": columns, "file": "other.tsv"}},
        }
    )
    reading = open_source("folder", spec, tmp_path)
    parts = {part.table: part for part in reading.parts}
    assert [schema.table for schema in reading.schemas] == ["one", "two"]
    assert parts["two"].x.shape == (2, 2)
    assert not set(parts["one"].group_ids) & set(parts["two"].group_ids)


# ---- what is refused: one sentence with source, place, counts and row numbers; never a cell

SECRET = "CANARY"
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "target absent": ("a,yy\n1,0\n", {}, r"target column 'y' is absent among 2 columns.*did you mean 'yy'"),
    "column absent": ("a,y\n1,0\n", {"drop": ["gone"]}, r"column 'gone' is absent"),
    "one class": (f"a,y\n1,{SECRET}\n2,{SECRET}\n", {}, r"'y' has one class only in 2 rows"),
    "one class after positive": ("a,y\n1,0\n2,1\n", {"positive": [7]}, r"one class only"),
    "target missing": (
        "a,y\n1,0\n2,\n3,?\n",
        {"missing": ["?"]},
        r"missing \(NaN\) in 2 of 3 rows, first in row 2.*exclude_rows",
    ),
    "too many classes": (
        "a,y\n" + "".join(f"1,{SECRET}{i}\n" for i in range(25)),
        {},
        r"25 classes; expected 2 to 24",
    ),
    "constant numeric target": (
        "a,y\n1,4\n2,4\n",
        {"target_type": "regression"},
        r"one value only in 2 rows",
    ),
    "text in the numeric target": (
        f"a,y\n1,4\n2,{SECRET}\n",
        {"target_type": "regression"},
        r"1 cells of column 'y'.*first in row 2",
    ),
    "repeated ids": (
        f"i,a,y\n{SECRET},1,0\nB,2,1\n{SECRET},3,1\n",
        {"id": "i"},
        r"1 rows repeat an identifier of column 'i', first in row 3",
    ),
    "missing group": (
        "p,a,y\n1,1,0\n,2,1\n",
        {"group": "p"},
        r"1 rows lack the group column 'p', first in row 2",
    ),
    "text not declared": (
        f"a,b,y\n1,{SECRET},0\n2,{SECRET},1\n",
        {},
        r"1 columns hold text.*'b' \(2 cells\).*'categorical'",
    ),
    "not a number": (
        f"a,y\n1,0\n{SECRET},1\n",
        {"numeric": ["a"]},
        r"1 cells of column 'a' are not numbers, first in row 2",
    ),
    "infinite": ("a,y\n1,0\ninf,1\n", {"numeric": ["a"]}, r"1 cells of column 'a'"),
    "beyond float32": ("a,y\n1,0\n1e39,1\n", {"numeric": ["a"]}, r"1 cells of column 'a'"),
    "no ICD-9 code": (
        f"d,y\n250,0\n{SECRET},1\n",
        {"icd9": ["d"]},
        r"1 cells of column 'd' are no ICD-9-CM codes, first in row 2",
    ),
    "no input left": ("a,y\n1,0\n2,1\n", {"drop": ["a"]}, r"no column is left as an input"),
    "no row left": ("a,y\n1,0\n2,1\n", {"exclude_rows": {"y": [0, 1]}}, r"no row is left"),
    "no rows": ("a,y\n", {}, r"no rows"),
    "empty file": ("", {}, r"empty or damaged"),
    "repeated column": ("a,a,y\n1,2,0\n", {}, r"1 column names occur more than once: 'a'"),
    "ragged row": (f"a,y\n1,0\n2,1,{SECRET}\n", {}, r"more cells than the header"),
    "every row too long": (f"a,y\n1,0,{SECRET}\n2,1,{SECRET}\n", {}, r"more cells than the header"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    text, columns, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        _table(tmp_path, text, **columns)
    said = str(caught.value)
    assert said.startswith("source 'clinic', path 't.csv'")
    assert SECRET not in said
    assert "\n" not in said


def test_the_remedy_for_a_missing_target_works(tmp_path: Path) -> None:
    reading = _table(tmp_path, "a,y\n1,0\n2,\n3,1\n", exclude_rows={"y": [""]})
    assert len(_part(reading).y) == 2
    assert reading.attrition[-1].lost == 1


def test_the_target_as_an_input_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="target 'y' as an input"):
        _table(tmp_path, "a,y\n1,0\n2,1\n", categorical=["y"])


def test_first_per_group_needs_a_group(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs a 'group' column"):
        _table(tmp_path, "a,y\n1,0\n2,1\n", first_per_group=True)


def test_a_missing_file_and_a_path_that_leaves_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "t.csv").write_text("a,y\n1,0\n2,1\n")
    with pytest.raises(DataError, match="no such file or folder"):
        _open(root, "t.csv")
    with pytest.raises(DataError, match="leaves its folder"):
        _open(root, "../t.csv")
    (root / "link.csv").symlink_to(tmp_path / "t.csv")
    with pytest.raises(DataError, match="leaves its folder"):
        _open(root, "link.csv")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("t.csv", b"a,y\n\xff\xfe,1\n", "not UTF-8"),
        ("t.csv.gz", b"no gzip", "empty or damaged"),
        ("t.parquet", b"no parquet", "not readable Parquet"),
        ("t.xls", b"a,y\n1,0\n", "names no known table format"),
    ],
)
def test_damaged_or_unknown_files(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        _open(tmp_path, file)
    cause = caught.value.__context__  # may print the file's full path
    assert cause is None or caught.value.__suppress_context__
