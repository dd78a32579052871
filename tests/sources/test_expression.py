"""Delimited expression matrices: what is read, what is refused, and the traps of the public studies."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from expression_files import SECRET, SPEC, TASKS, Store, matrix_entry, read_matrix
from pydantic import ValidationError

from med_maml_pipeline.datasets import MultiSourceDataset
from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.expression import scale_samples
from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.alike import join_alike
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.sources.ingest import Ingestion
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.spec import MatricesSource
from med_maml_pipeline.tasks.build import build_tasks
from med_maml_pipeline.tasks.types import Examples, FeatureKind, TargetType

CONFIGURATION = Path(__file__).parents[2] / "conf" / "public" / "catalog_01_raw.yml"
TEXT = "sample,label,TP53,MYC\ns1,b,1.5,-2\ns2,a,,3\ns3,b,4,0.25\n"
NAMED = {"sample": "sample"}


def _part(reading: Reading) -> TablePart:
    (part,) = list(reading.parts)
    return part


# ---- what is read


def test_genes_targets_and_what_was_done_to_them(tmp_path: Path) -> None:
    reading = read_matrix(tmp_path, TEXT, columns=NAMED)
    part = _part(reading)
    (schema,) = reading.schemas
    assert schema.features == ("TP53", "MYC")
    assert schema.kinds == (FeatureKind.NUMERIC,) * 2
    assert schema.targets[0].classes == ("a", "b")
    assert schema.preprocessing == {
        "values": "log",
        "scaling": "none",
        "floor": 1.0,
        "levels": [-2.0, 0.0, 2.0],
    }
    np.testing.assert_array_equal(part.x, [[1.5, -2], [np.nan, 3], [4, 0.25]])
    np.testing.assert_array_equal(part.y[:, 0], [1, 0, 1])
    assert part.x.dtype == np.float32
    assert len(set(part.group_ids)) == 3
    assert reading.attrition[0].kept == 3


@pytest.mark.parametrize("file", ["t.csv", "t.tsv", "t.txt", "t.csv.gz"])
def test_every_file_format_gives_the_same_examples(tmp_path: Path, file: str) -> None:
    text = TEXT if "csv" in file else TEXT.replace(",", "\t")
    data = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()  # as spreadsheets export it
    (tmp_path / file).write_bytes(gzip.compress(data) if file.endswith("gz") else data)
    spec = SPEC.validate_python(matrix_entry(file, columns=NAMED))
    part = _part(open_source("clinic", spec, tmp_path))
    np.testing.assert_array_equal(part.x, [[1.5, -2], [np.nan, 3], [4, 0.25]])


def test_the_declared_scale_is_applied(tmp_path: Path) -> None:
    text = "label,a,b,c\nx,0,10,90\ny,2,2,4\n"
    scale = {"values": "counts", "scaling": "log"}
    reading = read_matrix(tmp_path, text, scale=scale)
    expected = np.log2([[1, 100_001, 900_001], [250_001, 250_001, 500_001]])
    np.testing.assert_allclose(_part(reading).x, expected, rtol=1e-5)
    assert reading.schemas[0].preprocessing["values"] == "counts"


def test_only_declared_markers_are_missing(tmp_path: Path) -> None:
    text = "label,a,b\nx,NA,1\ny,2,-999.0\nx,3,4\n"
    part = _part(read_matrix(tmp_path, text, missing=["NA", -999]))
    np.testing.assert_array_equal(part.x, [[np.nan, 1], [2, np.nan], [3, 4]])


def test_numbers_as_class_names_are_names_in_the_order_of_their_values(tmp_path: Path) -> None:
    reading = read_matrix(tmp_path, "label,a\n10,1\n9,2\n2,3\n")
    assert reading.schemas[0].targets[0].classes == ("2", "9", "10")
    np.testing.assert_array_equal(_part(reading).y[:, 0], [2, 1, 0])


def test_a_numeric_target_further_targets_groups_and_strata(tmp_path: Path) -> None:
    text = "days,died,relapse,patient,site,batch,a\n10.5,1,,p,north,1,1\n20,0,1,p,,2,2\n30,1,0,q,south,3,3\n"
    columns = {
        "target": "days",
        "target_type": "regression",
        "more_targets": ["died", "relapse"],
        "group": "patient",
        "stratum": "site",
        "drop": ["batch"],
    }
    reading = read_matrix(tmp_path, text, columns=columns)
    part = _part(reading)
    np.testing.assert_array_equal(part.y, [[10.5, 1, np.nan], [20, 0, 1], [30, 1, 0]])
    kinds = [target.target_type for target in reading.schemas[0].targets]
    assert kinds == [TargetType.REGRESSION, TargetType.BINARY, TargetType.BINARY]
    assert reading.schemas[0].features == ("a",)
    assert part.group_ids[0] == part.group_ids[1] != part.group_ids[2]
    assert part.strata is not None
    assert part.strata.tolist() == ["north", "unknown", "south"]


def test_positive_values_make_a_binary_target(tmp_path: Path) -> None:
    reading = read_matrix(tmp_path, "label,a\n1,1\n2,2\n3,3\n", columns={"positive": [2, "3"]})
    np.testing.assert_array_equal(_part(reading).y[:, 0], [0, 1, 1])
    assert reading.schemas[0].targets[0].target_type is TargetType.BINARY


def test_samples_alike_in_every_gene_are_one_group(tmp_path: Path) -> None:
    text = "label,p,a,b\nx,1,1,0\ny,2,2,\nx,3,1.0,-0\ny,4,2,\nx,4,5,5\nx,5,2,0\n"
    reading = read_matrix(tmp_path, text, columns={"group": "p"})
    groups = _part(reading).group_ids.tolist()
    assert groups[0] == groups[2]
    assert groups[1] == groups[3] == groups[4]  # through the patient that they share
    assert len(set(groups)) == 3
    assert (reading.attrition[1].kept, reading.attrition[1].lost) == (3, 2)


def test_groups_are_joined_through_any_chain() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 60).astype(str).astype(object)
    hashes = [bytes([h, *[7] * 15]) for h in rng.integers(0, 40, 60)]
    joined = join_alike(groups, hashes)
    reference = {name: {name} for name in groups}  # sets merged until nothing changes
    for one, first in zip(groups, hashes, strict=True):
        for other, second in zip(groups, hashes, strict=True):
            if first == second and reference[one] is not reference[other]:
                reference[one] |= reference[other]
                for name in reference[other]:
                    reference[name] = reference[one]
    assert len(set(joined)) == len({id(found) for found in reference.values()}) > 1
    assert all(new in reference[old] for old, new in zip(groups, joined, strict=True))


def _folder(tmp_path: Path, **fields: Any) -> list[TablePart]:
    (tmp_path / "one.csv.gz").write_bytes(gzip.compress(b"label,p,a,b\nx,1,5,6\ny,2,7,8\n"))
    (tmp_path / "two.csv.gz").write_bytes(gzip.compress(b"p,c,label\n1,5,x\n3,7,y\n"))
    columns = {"target": "label", "group": "p"}
    entry = {
        "format": "expression",
        "path": ".",
        "tasks": TASKS,
        "sets": {"one": {"columns": columns}, "two": {"columns": columns}},
        **fields,
    }
    return list(open_source("folder", SPEC.validate_python(entry), tmp_path).parts)


def test_groups_of_different_studies_never_meet_unless_their_namespace_is_declared(tmp_path: Path) -> None:
    one, two = _folder(tmp_path)
    assert not set(one.group_ids) & set(two.group_ids)
    assert (one.x.shape, two.x.shape) == ((2, 2), (2, 1))
    one, two = _folder(tmp_path, group_namespace="patients")
    assert one.group_ids.tolist() == ["1", "2"]
    assert two.group_ids.tolist() == ["1", "3"]


def test_samples_without_a_group_column_never_meet_those_of_another_source(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TEXT)
    entry = matrix_entry(columns=NAMED) | {"group_namespace": "patients"}
    spec = SPEC.validate_python(entry)
    ids = [set(_part(open_source(name, spec, tmp_path)).group_ids) for name in ("one", "two")]
    assert not ids[0] & ids[1]


def test_numbers_are_read_when_their_part_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("label,a\nx,1\ny,2\n")
    (tmp_path / "two.csv").write_text("label,a\nx,1\ny,text\n")
    sets = {name: {"file": f"{name}.csv", "columns": {"target": "label"}} for name in ("one", "two")}
    entry = {"format": "expression", "path": ".", "tasks": TASKS, "sets": sets}
    parts = open_source("folder", SPEC.validate_python(entry), tmp_path).parts
    assert next(parts).table == "one"
    with pytest.raises(DataError, match="table 'two'"):
        next(parts)


def test_a_quoted_header_and_unnamed_row_names(tmp_path: Path) -> None:
    text = '"","label","MIR 1\n(old)","A,B"\n"s1","x",1,2\n"s2","y",3,4\n'  # R's write.csv
    reading = read_matrix(tmp_path, text, columns={"sample": ""})
    assert reading.schemas[0].features == ("MIR 1\n(old)", "A,B")
    np.testing.assert_array_equal(_part(reading).x, [[1, 2], [3, 4]])


# ---- what is refused: one sentence with source, place, counts and row numbers; never a cell

COUNTS = {"scale": {"values": "counts", "scaling": "log"}}
GENES = "".join(f"G{number},{number},1,2\n" for number in range(30))
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "target absent": (
        f"id,lable,a\n{SECRET},x,1\n",
        {},
        r"target column 'label' is absent among 3 .*did you mean 'lable'",
    ),
    "other column absent": (TEXT, {"columns": {"group": "gone"}}, r"group column 'gone' is absent"),
    "swapped, the target as a row": (
        f"gene,s1,s2,s3\nlabel,{SECRET},x,{SECRET}\nTP53,1,2,3\n",
        {},
        r"rows and columns seem to be swapped: the target 'label' is the label of row 1, not a column; "
        r"expected a row per sample.*; transpose the file\.",
    ),
    "swapped, without the target": (
        "gene,s1,s2,s3\n" + GENES,
        {},
        r"swapped: there is no column 'label', and more rows \(30\) than columns, all numbers",
    ),
    "swapped, classes as header": (
        "label,ALL,AML,ALL\n" + GENES,
        {},
        r"swapped: the target 'label' names each of 30 rows differently",
    ),
    "repeated genes": (
        "label,TP53,MYC,TP53,MYC,A\nx,1,2,3,4,5\n",
        {},
        r"2 gene names occur more than once: 'TP53', 'MYC'",
    ),
    "repeated roles": ("label,label,a\nx,x,1\ny,y,2\n", {}, r"1 declared columns occur more than once"),
    "unnamed column": ("label,,a\nx,1,2\ny,2,3\n", {}, r"a gene has no name.*list '' under 'drop'"),
    "no gene": ("label,b\nx,1\ny,2\n", {"columns": {"drop": ["b"]}}, r"no gene is left"),
    "text in a gene": (
        f"label,a,b\nx,1,2\ny,{SECRET},3\nx,{SECRET},x\n",
        {},
        r"3 cells in 2 gene columns are no numbers, first in column 'a', row 2.*under 'drop'.*'missing'",
    ),
    "undeclared marker": (
        "label,a\nx,NA\ny,2\n",
        {"missing": ["?"]},
        r"1 cells in 1 gene columns are no numbers, first in column 'a', row 1",
    ),
    "the text nan": ("label,a\nx,1\ny,nan\n", {}, r"1 cells .* first in column 'a', row 2"),
    "decimal commas": ("label\ta\nx\t1,5\ny\t2,5\n", {"file": "t.tsv"}, r"2 cells .* first in column 'a'"),
    "infinite": ("label,a\nx,1\ny,inf\n", {}, r"1 cells are infinite or beyond float32, first in row 2"),
    "beyond float32": ("label,a\nx,1e39\ny,1\n", {}, r"1 cells are infinite or beyond float32"),
    "negative counts": (
        "label,a,b\nx,1,2\ny,-1,3\nx,-2,-2\n",
        COUNTS,
        r"3 cells are negative, first in row 2; expected whole numbers from 0",
    ),
    "fractional counts": ("label,a\nx,1\ny,2.5\n", COUNTS, r"1 cells are fractional, first in row 2"),
    "no counts": ("label,a,b\nx,1,2\ny,0,\n", COUNTS, r"1 samples have no counts, first in row 2"),
    "an empty sample": (
        "label,a,b\nx,1,2\ny,,\n",
        {},
        r"1 samples have no value in any gene, first in row 2",
    ),
    "undeclared level": (
        "label,a\nx,-2\ny,1\n",
        {"scale": {"values": "discretised"}},
        r"1 cells are none of the declared levels, first in row 2; expected only -2, 0, 2",
    ),
    "undeclared intensities": (
        "label,a\nx,5\ny,23111\n",
        {},
        r"1 cells lie beyond ±1000, first in row 2; expected values on a log scale.*values: intensity",
    ),
    "target missing": (
        "label,a\nx,1\n,2\n,3\n",
        {},
        r"2 of 3 samples lack the target column 'label', first in row 2",
    ),
    "target missing by marker": (
        "label,a\nx,1\nNA,2\ny,3\n",
        {"missing": ["NA"]},
        r"1 of 3 samples lack the target",
    ),
    "group missing": (
        "label,p,a\nx,,1\ny,1,2\n",
        {"columns": {"group": "p"}},
        r"1 of 2 samples lack the group column 'p', first in row 1",
    ),
    "repeated samples": (
        f"sample,label,a\n{SECRET},x,1\nB,y,2\n{SECRET},y,3\n",
        {"columns": NAMED},
        r"1 rows repeat a sample name of column 'sample', first in row 3",
    ),
    "one class": ("label,a\nx,1\nx,2\n", {}, r"has one class only in 2 rows"),
    "a further target that is none": (
        f"label,died,a\nx,{SECRET},1\ny,1,2\n",
        {"columns": {"more_targets": ["died"]}},
        r"1 cells of the target column 'died' are neither 0, 1 nor blank, first in row 1",
    ),
    "short row": (f"label,a,b\nx,1,2\ny,{SECRET}\n", {}, r"more or fewer cells than the 3 columns"),
    "long row": (f"label,a,b\nx,1,2\ny,1,2,{SECRET}\n", {}, r"more or fewer cells than the 3 columns"),
    "no samples": ("label,a\n", {}, r"no samples"),
    "empty file": ("", {}, r"empty or damaged"),
    "unknown suffix": (TEXT, {"file": "t.xls"}, r"suffix names no delimited format"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_matrix_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    text, fields, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        list(read_matrix(tmp_path, text, **fields).parts)
    said = str(caught.value)
    assert said.startswith("source 'clinic', table 'study'")
    assert SECRET not in said
    assert "\n" not in said
    cause = caught.value.__context__
    assert cause is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("t.csv", b"label,a\nx,\xff\xfe\n", "not UTF-8"),
        ("t.csv", b"label,a\n\xff\xfe,1\n", "not UTF-8"),
        ("t.csv", b"label,\xff\xfe\nx,1\n", "not UTF-8"),
        ("t.csv.gz", b"no gzip", "empty or damaged"),
        ("t.csv.gz", gzip.compress(TEXT.encode() * 999)[:-30], "empty or damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(open_source("clinic", SPEC.validate_python(matrix_entry(file)), tmp_path).parts)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_and_one_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "t.csv").write_text(TEXT)
    for file, message in (("gone.csv", "no such file"), ("../t.csv", "leaves its folder")):
        entry = matrix_entry(file) | {"path": "in"}
        with pytest.raises(DataError, match=message):
            open_source("clinic", SPEC.validate_python(entry), tmp_path)


def test_alike_samples_of_two_shared_groups_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("label,p,a\nx,1,5\ny,2,5\nx,3,6\n")
    entry = matrix_entry(columns={"group": "p"}) | {"group_namespace": "patients"}
    with pytest.raises(DataError, match=r"1 groups hold samples alike in every gene.*column 'p'"):
        list(open_source("clinic", SPEC.validate_python(entry), tmp_path).parts)


def test_a_target_with_a_second_role_is_refused_before_anything_is_read() -> None:
    for columns in ({"drop": ["label"]}, {"sample": "label"}, {"more_targets": ["a", "a"]}):
        with pytest.raises(ValidationError, match="no second role"):
            SPEC.validate_python(matrix_entry(columns=columns))


def test_a_matrix_added_with_yaml_alone_becomes_tasks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, width in (("liver", 7), ("kidney", 5), ("skin", 6)):
        frame = pd.DataFrame(rng.normal(size=(24, width)).round(3), columns=[f"g{i}" for i in range(width)])
        frame.insert(0, "grade", np.array(["low", "middle", "high"])[np.arange(24) % 3])
        frame.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    entry = yaml.safe_load(
        """
        format: expression
        path: .
        sets:
          liver: {file: liver.tsv, columns: {target: grade}}
          kidney: {file: kidney.tsv, columns: {target: grade}}
          skin: {file: skin.tsv, columns: {target: grade}}
        tasks:
          - family: study
            kind: table
            shared_inputs: false
            split: {mode: rotate}
            support: {rule: balanced, sizes: [2], draws: 1}
        """
    )
    dataset = MultiSourceDataset(str(tmp_path), {"mine": entry}, ["mine"], "expression")
    specs = dataset.load().specs
    examples = load_examples(Store(dict(Ingestion(specs, {"mine": tmp_path}, lambda ids, _: ids))))
    assert examples["mine/liver"].inputs.x.shape == (24, 7)
    assert examples["mine/liver"].targets[0].classes == ("high", "low", "middle")
    tasks = build_tasks(examples, {"mine": specs["mine"].tasks}, seed=0).tasks
    assert set(tasks.loc[tasks["meta_split"] == "test", "label"]) == {"liver", "kidney", "skin"}
    assert (tasks["n_classes"] == 3).all()


# ---- the public studies and their traps

NAMES = {
    *("alon", "borovecki", "chowdary", "christensen", "glioma", "golub", "gordon", "gravier", "lung_small"),
    *("lymphoma", "nci9", "pomeroy", "shipp", "singh", "sorlie", "su", "subramanian", "tox_171", "west"),
}


@pytest.fixture(scope="module")
def spec() -> MatricesSource:
    declared = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["expression_sources"]["sources"]
    return SPEC.validate_python(declared["gene_expression"])


@pytest.fixture(scope="module")
def studies(spec: MatricesSource, public_data: Path) -> dict[str, Examples]:
    files = dict(Ingestion({"public": spec}, {"public": public_data}, lambda ids, _: ids))
    return {key.split("/")[1]: table for key, table in load_examples(Store(files)).items()}


def test_all_studies_have_a_place_and_the_same_cell_lines_share_one(spec: MatricesSource) -> None:
    (family,) = spec.tasks
    split = family.split
    parts = [set(split.train), set(split.validation), set(split.test)]
    assert set.union(*parts) == NAMES == set(spec.sets)
    assert sum(map(len, parts)) == len(NAMES)
    for alike in ({"nci9", "subramanian"}, {"borovecki", "chowdary"}):
        assert alike in map(set, family.clusters)
        assert any(alike <= part for part in parts)
    assert not family.shared_inputs


@pytest.mark.public
def test_all_studies_are_read_in_seconds(spec: MatricesSource, public_data: Path) -> None:
    started = time.process_time()
    parts = list(open_source("public", spec, public_data).parts)
    assert sum(len(part.x) for part in parts) == 1810
    assert time.process_time() - started < 10  # 1.6 measured


@pytest.mark.public
def test_sizes_and_classes_are_those_of_the_manifest(studies: dict[str, Examples], public_data: Path) -> None:
    manifest = pd.read_csv(public_data / "gene_expression" / "manifest.csv").set_index("dataset")
    assert set(studies) == set(manifest.index)
    for name, table in studies.items():
        row = manifest.loc[name]
        assert table.inputs.x.shape == (row["n_samples"], row["n_features"])
        expected = yaml.safe_load(row["classes"])
        counts = np.bincount(table.y[:, 0].astype(int))
        assert {key: int(n) for key, n in zip(table.targets[0].classes, counts, strict=True)} == expected


@pytest.mark.public
@pytest.mark.parametrize(("name", "n_classes"), [("su", 4), ("sorlie", 5), ("tox_171", 4), ("lymphoma", 9)])
def test_bare_numbers_are_class_names(studies: dict[str, Examples], name: str, n_classes: int) -> None:
    (target,) = studies[name].targets
    assert target.target_type is TargetType.MULTICLASS
    assert target.classes == tuple(str(number + 1) for number in range(n_classes))


@pytest.mark.public
def test_christensen_has_three_classes_and_shares_of_methylation(studies: dict[str, Examples]) -> None:
    christensen = studies["christensen"]
    assert christensen.targets[0].classes == ("blood", "other", "placenta")
    assert christensen.inputs.x.min() >= 0
    assert christensen.inputs.x.max() <= 1


@pytest.mark.public
def test_the_same_sample_entered_twice_in_su_is_one_group(studies: dict[str, Examples]) -> None:
    for name, table in studies.items():
        assert len(table) - len(np.unique(table.groups)) == (1 if name == "su" else 0)
    su = studies["su"]
    (twice,) = [group for group in np.unique(su.groups) if (su.groups == group).sum() == 2]
    first, second = np.flatnonzero(su.groups == twice)
    np.testing.assert_array_equal(su.inputs.x[first], su.inputs.x[second])


@pytest.mark.public
def test_scales_that_differ_by_thousands_are_brought_together(
    studies: dict[str, Examples], public_data: Path
) -> None:
    golub = pd.read_csv(public_data / "gene_expression" / "golub.csv.gz").iloc[:, 2:].to_numpy()
    assert golub.min() < -1000
    assert golub.max() > 10_000
    np.testing.assert_allclose(
        studies["golub"].inputs.x, np.log2(np.maximum(golub.astype(np.float32), 20)), rtol=1e-6
    )
    for name, table in studies.items():
        x = table.inputs.x
        assert np.isfinite(x).all(), name
        assert np.abs(x).max() < 20, name
        assert (np.percentile(x, 99.9, axis=1) > x.mean(axis=1)).all(), name


@pytest.mark.public
@pytest.mark.parametrize("name", ["golub", "tox_171", "alon"])
def test_an_intensity_study_without_its_scale_is_refused(
    spec: MatricesSource, public_data: Path, name: str
) -> None:
    alone = {name: spec.sets[name].model_copy(update={"scale": spec.sets["su"].scale})}
    with pytest.raises(DataError, match=rf"table '{name}': \d+ cells lie beyond ±1000.*values: intensity"):
        list(open_source("public", spec.model_copy(update={"sets": alone}), public_data).parts)


@pytest.mark.public
def test_only_the_discretised_studies_pass_as_such(spec: MatricesSource, public_data: Path) -> None:
    levels = spec.sets["nci9"].scale
    for name in ("nci9", "lymphoma", "lung_small", "glioma"):
        alone = {name: spec.sets[name].model_copy(update={"scale": levels})}
        reading = open_source("public", spec.model_copy(update={"sets": alone}), public_data)
        if name == "glioma":
            with pytest.raises(DataError, match="none of the declared levels"):
                list(reading.parts)
        else:
            assert set(np.unique(_part(reading).x)) == {-2, 0, 2}


@pytest.mark.public
def test_genes_differ_but_for_the_two_sets_of_one_chip(studies: dict[str, Examples]) -> None:
    assert studies["borovecki"].inputs.names == studies["chowdary"].inputs.names
    assert not set(studies["alon"].inputs.names) & set(studies["golub"].inputs.names)


@pytest.mark.public
def test_meta_splits_by_study_with_many_classes_in_each(
    studies: dict[str, Examples], spec: MatricesSource
) -> None:
    examples = {table.key: table for table in studies.values()}
    catalog = build_tasks(examples, {"public": spec.tasks}, seed=0)
    tasks = catalog.tasks.set_index("label")
    by_split = tasks.groupby("meta_split")["n_classes"].agg(["size", "max"])
    assert by_split["size"].to_dict() == {"train": 8, "validation": 3, "test": 8}
    assert (by_split["max"] >= 5).all()
    assert (tasks.loc[tasks["meta_split"] == "test", "n_classes"] > 2).sum() == 4
    assert tasks.at["lymphoma", "n_classes"] == 6  # three of nine are too small for five shots
    rare = catalog.attrition[catalog.attrition["step"].str.contains("rare classes")]
    lost = rare.set_index("table")["lost"].to_dict()
    assert lost == {"lung_small": 10, "lymphoma": 8, "nci9": 7}
    assert set(catalog.episodes["support_size"]) == {1, 2, 5, 10}
    without_10 = catalog.attrition[catalog.attrition["step"].str.contains("support sizes")]
    assert set(without_10["table"]) == {"glioma", "lung_small", "lymphoma", "nci9"}
    assert (catalog.audit["overlaps"] == 0).all()


@pytest.mark.public
def test_personal_samples_are_scaled_as_the_study_was(
    studies: dict[str, Examples], spec: MatricesSource, public_data: Path
) -> None:
    raw = pd.read_csv(public_data / "gene_expression" / "pomeroy.csv.gz").iloc[[7], 2:]
    own = scale_samples(raw.to_numpy(dtype=np.float32), spec.sets["pomeroy"].scale)
    np.testing.assert_array_equal(own[0], studies["pomeroy"].inputs.x[7])
