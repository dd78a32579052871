""".h5ad files: layouts and layers, batches, roles from obs, and every reason to refuse one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from expression_files import SECRET, SPEC, Store, counts, h5ad_entry, obs, read_file
from scipy import sparse

from med_maml_pipeline.datasets import MultiSourceDataset
from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.expression import scale_samples
from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.sources.ingest import Ingestion
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.spec_expression import ExpressionScale
from med_maml_pipeline.tasks.build import build_tasks
from med_maml_pipeline.tasks.types import FeatureKind, TargetType

COUNTS = {"values": "counts", "scaling": "log"}


def _write(root: Path, x: Any, table: pd.DataFrame | None = None, **fields: Any) -> Path:
    n, g = x.shape
    var = pd.DataFrame(index=pd.Index([f"ENSG{number}" for number in range(g)]))
    table = obs(n) if table is None else table
    adata = ad.AnnData(X=x, obs=table, var=fields.pop("var", var), **fields)
    adata.write_h5ad(root / "t.h5ad")
    return root / "t.h5ad"


def _whole(reading: Reading) -> TablePart:
    parts = list(reading.parts)
    strata = None if parts[0].strata is None else np.concatenate([part.strata for part in parts])
    return TablePart(
        parts[0].table,
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.group_ids for part in parts]),
        strata,
    )


# ---- what is read


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "dense": lambda x: x,
    "dense integers": lambda x: x.astype(np.int64),
    "dense doubles": lambda x: x.astype(np.float64),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr integers": lambda x: sparse.csr_matrix(x.astype(np.int32)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 5, 12, 2000])
def test_every_layout_and_batch_gives_the_same_examples(tmp_path: Path, layout: str, batch: int) -> None:
    x = counts()
    _write(tmp_path, LAYOUTS[layout](x))
    reading = read_file(tmp_path, batch=batch)
    parts = list(reading.parts)
    assert [len(part.x) for part in parts] == [min(batch, 12 - start) for start in range(0, 12, batch)]
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), x)
    assert parts[0].x.dtype == np.float32
    (schema,) = reading.schemas
    assert (schema.table, schema.features[:2]) == ("main", ("ENSG0", "ENSG1"))
    assert schema.kinds == (FeatureKind.NUMERIC,) * 5
    assert schema.targets[0].classes == ("normal", "tumour")
    np.testing.assert_array_equal(np.concatenate([part.y for part in parts])[:, 0], [1, 0] * 6)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_layer_in_place_of_x_and_its_scale(tmp_path: Path, kind: Callable[[np.ndarray], Any]) -> None:
    x = counts()
    _write(tmp_path, np.full_like(x, 7), layers={"counts": kind(x)})
    reading = read_file(tmp_path, layer="counts", scale=COUNTS, batch=5)
    expected = scale_samples(x, ExpressionScale.model_validate(COUNTS))
    np.testing.assert_array_equal(_whole(reading).x, expected)
    assert reading.schemas[0].preprocessing == {
        "values": "counts",
        "scaling": "log",
        "floor": 1.0,
        "levels": [-2.0, 0.0, 2.0],
    }


def test_a_file_without_x_serves_its_layers(tmp_path: Path) -> None:
    adata = ad.AnnData(obs=obs(), var=pd.DataFrame(index=list("abcde")), layers={"counts": counts()})
    adata.write_h5ad(tmp_path / "t.h5ad")
    np.testing.assert_array_equal(_whole(read_file(tmp_path, layer="counts")).x, counts())
    with pytest.raises(DataError, match="the file has no X"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (pd.Categorical(["b", "a"] * 6, categories=["unused", "b", "a"]), ("a", "b")),
        ([10, 9] * 6, ("9", "10")),
        ([1.0, 2.0] * 6, ("1", "2")),
        ([True, False] * 6, ("0", "1")),
        (pd.array([True, False] * 6, dtype="boolean"), ("0", "1")),
        (pd.Categorical([3, 12] * 6), ("3", "12")),
    ],
)
def test_labels_of_every_type(tmp_path: Path, column: Any, classes: tuple[str, ...]) -> None:
    _write(tmp_path, counts(), obs().assign(label=column))
    assert read_file(tmp_path).schemas[0].targets[0].classes == classes


def test_categories_as_anndata_0_7_wrote_them(tmp_path: Path) -> None:
    path = _write(tmp_path, counts())
    with h5py.File(path, "a") as file:
        table = file["obs"]
        table.attrs["encoding-version"] = "0.1.0"
        del table["label"]
        table["__categories/label"] = np.array([b"normal", b"tumour"], dtype="S6")
        table["label"] = np.array([1, 0] * 6, dtype=np.int8)
        table["label"].attrs["categories"] = table["__categories/label"].ref
    reading = read_file(tmp_path)
    assert reading.schemas[0].targets[0].classes == ("normal", "tumour")
    np.testing.assert_array_equal(_whole(reading).y[:, 0], [1, 0] * 6)


def test_further_targets_numeric_target_groups_and_strata(tmp_path: Path) -> None:
    nan = np.nan
    table = obs(
        age=np.arange(12) * 1.5,
        died=[1.0, 0.0, nan] * 4,
        relapse=pd.array([True, None, False] * 4, dtype="boolean"),
        donor=pd.Categorical(["d1", "d2", "d3", "d4"] * 3),
        site=["north", None, "south"] * 4,
    )
    _write(tmp_path, counts(), table)
    columns = {
        "target": "age",
        "target_type": "regression",
        "more_targets": ["died", "relapse"],
        "group": "donor",
        "stratum": "site",
    }
    reading = read_file(tmp_path, columns=columns, batch=5)
    part = _whole(reading)
    np.testing.assert_array_equal(part.y[:3], [[0, 1, 1], [1.5, 0, nan], [3, nan, 0]])
    kinds = [target.target_type for target in reading.schemas[0].targets]
    assert kinds == [TargetType.REGRESSION, TargetType.BINARY, TargetType.BINARY]
    assert part.group_ids.tolist() == ["d1", "d2", "d3", "d4"] * 3
    assert part.strata is not None
    assert part.strata[:3].tolist() == ["north", "unknown", "south"]


@pytest.mark.parametrize("layout", ["dense", "csr", "csc"])
def test_samples_alike_in_every_gene_are_one_group_over_batches(tmp_path: Path, layout: str) -> None:
    x = counts()
    x[11] = x[2]
    _write(tmp_path, LAYOUTS[layout](x))
    reading = read_file(tmp_path, batch=4)
    groups = _whole(reading).group_ids
    assert groups[11] == groups[2]
    assert len(set(groups)) == 11
    assert [(row.kept, row.lost) for row in reading.attrition] == [(12, 0), (11, 1)]


def test_names_in_obs_may_repeat_where_a_column_names_the_samples(tmp_path: Path) -> None:
    table = obs(barcode=[f"b{number}" for number in range(12)])
    table.index = pd.Index(["AAAC"] * 12)
    with pytest.warns(UserWarning, match="not unique"):
        _write(tmp_path, counts(), table)
    assert len(_whole(read_file(tmp_path, columns={"sample": "barcode"})).x) == 12


def test_memory_holds_one_batch(tmp_path: Path) -> None:
    n, g = 3000, 2000  # 24 MB dense
    x = sparse.random(n, g, density=0.02, format="csr", dtype=np.float32, random_state=0)
    _write(tmp_path, x, obs(n))
    reading = read_file(tmp_path, batch=100)
    tracemalloc.start()
    rows = sum(len(part.x) for part in reading.parts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == n
    assert peak < 10e6


def test_uns_and_what_nobody_asked_for_stays_closed(tmp_path: Path) -> None:
    path = _write(tmp_path, counts(), uns={"note": SECRET}, obsm={"X_pca": counts()})
    with h5py.File(path, "a") as file:
        del file["uns"], file["obsm"]["X_pca"]
        file["uns"] = h5py.ExternalLink("/nowhere/secret.h5", "/x")
        file["obsm"]["X_pca"] = h5py.SoftLink("/nowhere")
    np.testing.assert_array_equal(_whole(read_file(tmp_path)).x, counts())


def test_a_file_added_with_yaml_alone_becomes_tasks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = obs(90, ward=np.array(["A", "B", "C"])[np.arange(90) % 3], donor=np.arange(90).astype(str))
    table["label"] = np.array(["ill", "well"])[rng.integers(0, 2, 90)]
    _write(tmp_path, sparse.csr_matrix(rng.poisson(3, size=(90, 20)).astype(np.float32)), table)
    entry = yaml.safe_load(
        """
        format: h5ad
        path: t.h5ad
        columns: {target: label, positive: [ill], group: donor, stratum: ward}
        scale: {values: counts, scaling: log}
        batch: 40
        tasks:
          - family: site
            kind: stratum
            target: label
            shared_meaning: true
            split: {mode: rotate}
            support: {rule: balanced, sizes: [3], draws: 1}
        """
    )
    specs = MultiSourceDataset(str(tmp_path), {"mine": entry}, ["mine"], "expression").load().specs
    files = dict(Ingestion(specs, {"mine": tmp_path}, lambda ids, _: ids))
    assert files["mine/main/schema.json"]["parts"] == 3
    assert files["mine/main/schema.json"]["preprocessing"]["values"] == "counts"
    examples = load_examples(Store(files))
    np.testing.assert_array_equal(examples["mine/main"].y[:, 0], table["label"] == "ill")
    catalog = build_tasks(examples, {"mine": specs["mine"].tasks}, seed=0)
    tested = catalog.tasks.loc[catalog.tasks["meta_split"] == "test", "label"]
    assert sorted(tested) == ["A", "B", "C"]


# ---- what is refused: one sentence with source, place, counts and row numbers; never a cell


def _changed(row: int, value: float) -> np.ndarray:
    x = counts()
    x[row, 2:4] = value
    return x


def _var(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(index=pd.Index(names))


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "label absent": (
        {"table": obs().rename(columns={"label": "Label"})},
        {},
        r"target column 'label' is absent among 1 of the columns of obs; .*did you mean 'Label'",
    ),
    "label absent, nothing alike": (
        {"table": obs().rename(columns={"label": "xyz"})},
        {},
        r"target column 'label' is absent .*it has xyz",
    ),
    "group absent": ({}, {"columns": {"group": "donor"}}, r"group column 'donor' is absent"),
    "layer absent": (
        {"layers": {"raw_counts": counts()}},
        {"layer": "counts"},
        r"layer 'counts' is absent among 1 of the file's layers; .*did you mean 'raw_counts'",
    ),
    "no layer": ({}, {"layer": "counts"}, r"layer 'counts' is absent among 0"),
    "repeated genes": ({"var": _var(["A", "B", "A", "C", "B"])}, {}, r"var: 2 gene names .* 'A', 'B'"),
    "negative counts": (
        {"x": _changed(4, -1)},
        {"scale": COUNTS},
        r"2 cells are negative, first in row 5; expected whole numbers from 0, as values: counts declares; "
        r"use the layer",
    ),
    "fractional counts": (
        {"x": _changed(4, 0.5)},
        {"scale": COUNTS},
        r"2 cells are fractional, first in row 5",
    ),
    "sample without counts": (
        {"x": counts() * (np.arange(12) != 6)[:, None]},
        {"scale": COUNTS},
        r"1 samples have no counts, first in row 7",
    ),
    "not a number": ({"x": _changed(3, np.nan)}, {}, r"2 cells are not finite \(NaN\), first in row 4"),
    "infinite": ({"x": _changed(3, np.inf)}, {"scale": {"values": "intensity"}}, r"2 cells are infinite"),
    "counts declared as log": ({"x": _changed(3, 5000)}, {}, r"2 cells lie beyond ±1000, first in row 4"),
    "missing labels": (
        {"table": obs().assign(label=pd.Categorical([None, "a", "b", None] * 3))},
        {},
        r"6 of 12 samples lack the target column 'label', first in row 1",
    ),
    "repeated samples": (
        {"table": obs(name=[SECRET, "b", "c"] * 4)},
        {"columns": {"sample": "name"}},
        r"9 rows repeat a sample name of column 'name', first in row 4",
    ),
    "text as a further target": (
        {"table": obs(died=[SECRET, "1"] * 6)},
        {"columns": {"more_targets": ["died"]}},
        r"6 cells of the target column 'died' are neither 0, 1 nor blank, first in row 1",
    ),
    "no samples": ({"x": np.zeros((0, 5), dtype=np.float32)}, {}, r"the file has no samples"),
    "no genes": ({"x": np.zeros((12, 0), dtype=np.float32)}, {}, r"var: no gene is left"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # anndata's own, while the file is made
@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, case: str, kind: Any) -> None:
    made, fields, message = BAD[case]
    made = dict(made)
    _write(tmp_path, kind(made.pop("x", counts())), made.pop("table", None), **made)
    _refused(tmp_path, message, **fields)


def _refused(root: Path, message: str, **fields: Any) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(read_file(root, **{"batch": 2, **fields}).parts)
    said = str(caught.value)
    assert said.startswith("source 'clinic', path 't.h5ad'")
    assert SECRET not in said
    assert str(root) not in said
    assert "\n" not in said
    cause = caught.value.__context__
    assert cause is None or caught.value.__suppress_context__


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_repeated_names_of_obs_are_refused(tmp_path: Path) -> None:
    table = obs()
    table.index = pd.Index([SECRET, *map(str, range(10)), SECRET])
    _write(tmp_path, counts(), table)
    _refused(tmp_path, r"1 rows repeat a sample name of obs_names, first in row 12")


def test_genes_as_samples_are_refused(tmp_path: Path) -> None:
    samples = obs()
    adata = ad.AnnData(X=counts().T, obs=_var(list("abcde")), var=samples)
    adata.write_h5ad(tmp_path / "t.h5ad")
    _refused(
        tmp_path, r"rows and columns seem to be swapped: the target 'label' is a column of var.*adata\.T"
    )


@pytest.mark.parametrize("content", [b"", b"label,a\nx,1\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 99])
def test_a_file_that_is_no_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.h5ad").write_bytes(content)
    _refused(tmp_path, "the file is not HDF5, or it is damaged")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, counts())
    path.write_bytes(path.read_bytes()[:-2000])
    _refused(tmp_path, "the file is not HDF5, or it is damaged")


def test_hdf5_that_is_no_anndata_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5ad", "w") as file:
        file["X"] = counts()
    _refused(tmp_path, "HDF5 but no AnnData: it lacks obs or var")
    with h5py.File(tmp_path / "t.h5ad", "a") as file:
        file["obs"] = counts()
        file["var"] = counts()
    _refused(tmp_path, "'var' is not a table that anndata can read")


def _edit(path: Path, edit: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "a") as file:
        edit(file)


def _replace(file: h5py.File, name: str, values: np.ndarray) -> None:
    kept = dict(file[name].attrs)
    del file[name]
    file[name] = values
    file[name].attrs.update(kept)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("broken", ["index too large", "negative index", "pointers", "short"])
def test_broken_indices_never_reach_memory(tmp_path: Path, kind: Any, broken: str) -> None:
    path = _write(tmp_path, kind(counts()))

    def edit(file: h5py.File) -> None:
        indices, pointers = file["X/indices"][:], file["X/indptr"][:]
        if broken == "index too large":
            indices[-1] = 10**6
        elif broken == "negative index":
            indices[-1] = -7
        elif broken == "pointers":
            pointers[1:-1] = pointers[1:-1][::-1].copy()
        else:
            indices = indices[:-3]
        _replace(file, "X/indices", indices)
        _replace(file, "X/indptr", pointers)

    _edit(path, edit)
    _refused(tmp_path, "the stored matrix is damaged")


def test_a_matrix_of_another_shape_or_of_text_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, counts())
    _edit(path, lambda file: _replace(file, "X", np.zeros((12, 4))))
    _refused(tmp_path, r"the matrix has the shape \(12, 4\), the tables of samples and genes \(12, 5\)")
    _edit(path, lambda file: _replace(file, "X", np.full((12, 5), b"x")))
    _refused(tmp_path, "the matrix does not hold numbers")
    path = _write(tmp_path, sparse.csr_matrix(counts()))
    _edit(path, lambda file: file["X"].attrs.update({"shape": [10**9, 5]}))
    _refused(tmp_path, "the matrix has the shape")
    _edit(path, lambda file: file["X"].attrs.update({"encoding-type": "coo_matrix"}))
    _refused(tmp_path, "a layout that is not read here")


@pytest.mark.parametrize("name", ["X", "obs/label", "var"])
@pytest.mark.parametrize("soft", [True, False])
def test_links_out_of_the_file_are_refused(tmp_path: Path, name: str, soft: bool) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _write(other, counts())
    path = _write(tmp_path, counts())

    def edit(file: h5py.File) -> None:
        del file[name]
        file["outside"] = h5py.ExternalLink(str(other / "t.h5ad"), "/")
        file[name] = (
            h5py.SoftLink(f"/outside/{name}") if soft else h5py.ExternalLink(str(other / "t.h5ad"), name)
        )

    _edit(path, edit)
    _refused(tmp_path, r"leads to other places by links or external storage")


@pytest.mark.parametrize("virtual", [True, False])
def test_a_matrix_stored_in_another_file_is_refused(tmp_path: Path, virtual: bool) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(counts().tobytes())
    path = _write(tmp_path, counts())

    def edit(file: h5py.File) -> None:
        del file["X"]
        if virtual:
            layout = h5py.VirtualLayout((12, 5), dtype=np.float32)
            layout[:] = h5py.VirtualSource(str(secret), "x", (12, 5))
            file.create_virtual_dataset("X", layout)
        else:
            file.create_dataset("X", (12, 5), np.float32, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])

    _edit(path, edit)
    _refused(tmp_path, r"'X' leads to other places by links or external storage")


def test_a_path_outside_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    _write(tmp_path, counts())
    with pytest.raises(DataError, match="leaves its folder"):
        open_source("clinic", SPEC.validate_python(h5ad_entry("../t.h5ad")), tmp_path / "in")
