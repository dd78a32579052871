"""Reader of SMILES assay tables: parts, duplicates, the account, and each bad input."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.molecules import featurise
from med_maml_pipeline.sources import assay_table
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.smiles import read_smiles
from med_maml_pipeline.sources.spec import SmilesSource
from med_maml_pipeline.tasks.types import TargetType

SODIUM_SALT, ACID = "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]", "OC(=O)c1ccccc1OC(C)=O"
NAN = np.nan


def source(path: str = "assays.csv", **options: Any) -> SmilesSource:
    family = {"family": "assay", "kind": "target"}
    return SmilesSource(format="smiles", path=path, tasks=(family,), fingerprint_bits=64, **options)  # type: ignore[arg-type]


def read(root: Path, text: str, path: str = "assays.csv", **options: Any) -> tuple[Reading, TablePart]:
    """Writes a table, reads it and joins its parts."""
    (root / path).write_text(text, encoding="utf-8")
    reading = read_smiles("mine", source(path, **options), root)
    parts = list(reading.parts)
    return reading, TablePart(
        "main",
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.group_ids for part in parts]),
    )


def account(reading: Reading) -> dict[str, tuple[int, int]]:
    return {row.step: (row.kept, row.lost) for row in reading.attrition}


def test_rows_become_inputs_labels_and_groups(tmp_path: Path) -> None:
    reading, part = read(tmp_path, "a,smiles,b\n1,CCO,0\n,c1ccccc1O,1.0\n0,CCN, \n")
    (schema,) = reading.schemas
    assert [(t.name, t.target_type, t.n_classes, t.cluster) for t in schema.targets] == [
        ("a", TargetType.BINARY, 2, "a"),
        ("b", TargetType.BINARY, 2, "b"),
    ]
    np.testing.assert_array_equal(part.y, np.array([[1, 0], [NAN, 1], [0, NAN]], dtype=np.float32))
    np.testing.assert_array_equal(part.x, featurise(["CCO", "Oc1ccccc1", "CCN"], bits=64, radius=2))
    assert part.x.shape[1] == len(schema.features) == len(schema.kinds)
    assert part.group_ids[0] == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"  # ethanol, as in PubChem
    assert reading.group_namespace == "molecule"


def test_duplicates_are_filled_and_conflicts_left_out_and_counted(tmp_path: Path) -> None:
    rows = [f"{ACID},1,,0,", "CCO,0,1,1,1", f"{SODIUM_SALT},1,1,1,", f"{ACID},,1,0,"]
    reading, part = read(tmp_path, "smiles,a,b,c,d\n" + "\n".join(rows))
    expected = np.array([[1, 1, NAN, NAN], [0, 1, 1, 1]], dtype=np.float32)
    np.testing.assert_array_equal(part.y, expected)
    assert len(set(part.group_ids)) == 2
    assert account(reading) == {
        "rows read": (4, 0),
        "unparsable SMILES": (4, 0),
        "duplicate molecules merged": (2, 2),
        "assay cells in conflict (cells, not rows)": (6, 1),
    }


def test_conflicts_stop_the_run_where_asked(tmp_path: Path) -> None:
    text = f"smiles,a,b\n{ACID},1,0\n{SODIUM_SALT},0,1\nCCO,1,1\n"
    with pytest.raises(DataError, match=r"duplicate rows of 1 molecules disagree in 2 assay cells") as error:
        read(tmp_path, text, conflicts="error")
    assert "c1ccccc1" not in str(error.value)


def test_unparsable_rows_are_set_aside_counted_and_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reading, part = read(tmp_path, "smiles,a\nCCO,1\nCANARY-DOE,1\n,0\nCCN,0\n")
    np.testing.assert_array_equal(part.y[:, 0], [1, 0])
    assert account(reading)["unparsable SMILES"] == (2, 2)
    assert capfd.readouterr() == ("", "")
    assert "CANARY" not in repr(reading.attrition)


def test_chunks_do_not_change_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["CCO,1", "x,1", f"{ACID},", "C" * 9 + ",0", "CCO,1", f"{SODIUM_SALT},1", "CCN,", "CCO,0"]
    text = "smiles,a\n" + "\n".join(rows)
    whole_reading, whole = read(tmp_path, text)
    monkeypatch.setattr(assay_table, "ROWS_PER_CHUNK", 2)
    reading, part = read(tmp_path, text)
    np.testing.assert_array_equal(part.x, whole.x)
    np.testing.assert_array_equal(part.y, whole.y)
    np.testing.assert_array_equal(part.group_ids, whole.group_ids)
    assert reading.attrition == whole_reading.attrition
    assert len(list(read_smiles("mine", source(), tmp_path).parts)) > 1


def test_scaffold_groups_join_molecules_and_name_their_own_namespace(tmp_path: Path) -> None:
    text = "smiles,a\nCCc1ccccc1,1\nOCc1ccccc1,0\nCCO,1\n"
    reading, part = read(tmp_path, text, scaffold_groups=True)
    assert part.group_ids[0] == part.group_ids[1] != part.group_ids[2]
    assert reading.group_namespace == "scaffold"


def test_numbers_configured_assays_tsv_gz_and_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffSMILES\tpIC50\tnote\tlog\nCCO\t5.25\tx\t1\nCCN\t\ty\t-1e-3\n"
    (tmp_path / "assays.tsv.gz").write_bytes(gzip.compress(text.encode()))
    spec = source("assays.tsv.gz", smiles="SMILES", drop=("note",), target_type="regression")
    reading = read_smiles("mine", spec, tmp_path)
    (part,) = reading.parts
    np.testing.assert_allclose(part.y, [[5.25, 1], [NAN, -1e-3]], rtol=1e-6)
    assert {t.target_type for t in reading.schemas[0].targets} == {TargetType.REGRESSION}
    only = read_smiles("mine", source("assays.tsv.gz", smiles="SMILES", assays=("log",)), tmp_path)
    assert [target.name for target in only.schemas[0].targets] == ["log"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the file is empty"),
        ("molecule,a\nCCO,1\n", {}, "1 configured columns are absent, the first is 'smiles'"),
        ("smiles,a\nCCO,1\n", {"assays": ("b",)}, "absent, the first is 'b'"),
        ("smiles,a\nCCO,1\n", {"drop": ("mol_id",)}, "absent, the first is 'mol_id'"),
        ("smiles,a,a\nCCO,1,1\n", {}, "1 column names occur more than once, the first is 'a'"),
        ("smiles,id\nCCO,1\n", {"drop": ("id",)}, "there is no assay column"),
        (",smiles,a\n0,CCO,1\n", {}, "a column has no name"),
        ("smiles,a\n", {}, "none of 0 rows"),
        ("smiles,a\nCANARY,1\n", {}, "none of 1 rows holds a SMILES"),
        ("smiles,a\nCCO,1\nCCN,CANARY\n", {}, r"column 'a' \(row 2\).*0, 1 or blank"),
        ("smiles,a\nCCO,1\nCCN,0.5\n", {}, r"column 'a' \(row 2\).*0, 1 or blank"),
        ("smiles,a\nCCO,nan\n", {}, r"column 'a' \(row 1\).*0, 1 or blank"),
        ("smiles,a\nCCO,True\n", {}, r"column 'a' \(row 1\)"),
        ("smiles,a\nCCO,inf\n", {"target_type": "regression"}, r"\(row 1\).*a finite number or blank"),
        ("smiles,a\nCCO,1\nCCN,1,CANARY\n", {}, "row 2 has more or fewer cells than the header"),
        ("smiles,a,b\nCCO,1,1\nCCN,1,0\nCANARY,1\n", {}, "row 3 has more or fewer cells"),
    ],
)
def test_bad_table_gives_one_sentence_without_values(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, text, **options)
    assert "source 'mine'" in str(error.value)
    assert "'assays.csv'" in str(error.value)
    assert "CANARY" not in str(error.value)
    assert error.value.__cause__ is None  # a chained message would quote the row
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_bad_cell_is_found_by_its_row_beyond_the_first_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assay_table, "ROWS_PER_CHUNK", 2)
    with pytest.raises(DataError, match=r"row 5\)"):
        read(tmp_path, "smiles,a\nCCO,1\nCCN,1\nCCC,0\nCCF,0\nCCCl,7\n")


@pytest.mark.parametrize(
    ("path", "message"),
    [("../outside.csv", "leaves its folder"), ("absent.csv", "no such file"), ("folder", "cannot be read")],
)
def test_path_must_be_a_file_inside_the_root(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "root" / "folder").mkdir(parents=True)
    (tmp_path / "outside.csv").write_text("smiles,a\nCCO,1\n")
    with pytest.raises(DataError, match=message):
        read_smiles("mine", source(path), tmp_path / "root")


@pytest.mark.parametrize(
    "content", [b"smiles,a\n\xff\xfe,1\n", b"\x1f\x8b not gzip", b"smiles,a\n\x00\xff\n"]
)
@pytest.mark.parametrize("name", ["assays.csv", "assays.csv.gz"])
def test_what_is_no_text_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as text|more or fewer cells"):
        list(read_smiles("mine", source(name), tmp_path).parts)
