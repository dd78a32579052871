"""Reader of .h5ad (AnnData) files: genes from X or a layer, roles from obs; uns is never opened."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from med_maml_pipeline.features.expression import scale_samples
from med_maml_pipeline.sources.cells import tidy
from med_maml_pipeline.sources.expression_groups import digests, group_rows
from med_maml_pipeline.sources.expression_samples import (
    Samples,
    absent,
    declared_columns,
    expression_schema,
    read_samples,
    require_columns,
    require_genes,
    require_unique,
)
from med_maml_pipeline.sources.expression_values import check_values, require_complete
from med_maml_pipeline.sources.h5_matrix import StoredMatrix, require_self_contained
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema, inside
from med_maml_pipeline.sources.spec_expression import ExpressionColumns, H5adSource
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["read_h5ad", "read_whole"]

TABLE = "main"


@dataclass(frozen=True)
class _Opened:
    path: Path
    spec: H5adSource
    place: Place
    genes: tuple[str, ...]
    samples: Samples

    @property
    def schema(self) -> TableSchema:
        return expression_schema(TABLE, self.genes, self.samples, self.spec.scale)

    def batches(self) -> Iterator[tuple[slice, FloatArray]]:
        """Raw values of ``spec.batch`` samples at a time, checked against the declared scale."""
        start = 0
        shape = (len(self.samples.groups), len(self.genes))
        with _file(self.path, self.place) as file:
            node = _matrix_node(file, self.spec.layer, self.place)
            for x in StoredMatrix(node, shape, self.place).batches(self.spec.batch):
                rows = np.arange(start + 1, start + 1 + len(x))
                require_complete(x, rows, self.place)
                check_values(x, rows, self.spec.scale, self.place)
                yield slice(start, start + len(x)), x
                start += len(x)


def read_h5ad(name: str, spec: H5adSource, root: Path) -> Reading:
    """Opens an AnnData file; its one table is ``main``.

    Tables of samples and genes are read at once. The matrix is read twice, ``spec.batch`` samples at a time:
    first to check it and to find samples that are alike in every gene (one group), then for the parts.
    HDF5 holds no pickles; ``uns`` and whatever else nobody asked for stays closed, and links out of the file
    are refused.

    Args:
        name: Name of the source.
        spec: Layer, roles of the columns of ``obs``, scale.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: no HDF5 or AnnData file, an absent column or layer, repeated genes or samples, a missing
            target; while parts are read, values that contradict the scale or a damaged matrix.
    """
    path = inside(root, spec.path, source=name)
    place = Place(name, f"path '{spec.path}'")
    columns = spec.columns
    with _file(path, place) as file:
        genes = _genes(file, place)
        obs = _obs(file, columns, place)
        _matrix_node(file, spec.layer, place)
    frame = pd.DataFrame({column: tidy(obs[column]) for _, column in declared_columns(columns)})
    samples = read_samples(frame, columns, ("", f"{name}/"), place)
    attrition: list[AttritionRow] = []
    opened = _Opened(path, spec, place, genes, samples)
    return Reading((opened.schema,), _parts(opened, attrition), attrition, group_namespace=name)


def read_whole(path: Path, place: Place) -> tuple[pd.DataFrame, tuple[str, ...], FloatArray]:
    """A small file at once: ``obs``, the names of the genes, and ``X`` ``[samples, genes]`` as it stands.

    Raises:
        DataError: the file is no AnnData, is damaged or leads to other files, or genes repeat.
    """
    with _file(path, place) as file:
        obs, genes = _table(file, "obs", place), _genes(file, place)
        stored = StoredMatrix(_matrix_node(file, None, place), (len(obs), len(genes)), place)
        blocks = list(stored.batches(max(len(obs), 1)))
    return obs, genes, np.concatenate(blocks) if blocks else np.empty((0, len(genes)), dtype=np.float32)


def _parts(opened: _Opened, attrition: list[AttritionRow]) -> Iterator[TablePart]:
    samples, spec = opened.samples, opened.spec
    hashes = [digest for _, x in opened.batches() for digest in digests(x)]
    shared = spec.columns.group if spec.group_namespace else None
    groups, account = group_rows(samples.groups, hashes, TABLE, shared, opened.place)
    attrition += account
    for rows, x in opened.batches():
        strata = None if samples.strata is None else samples.strata[rows]
        yield TablePart(TABLE, scale_samples(x, spec.scale), samples.y[rows], groups[rows], strata)


@contextmanager
def _file(path: Path, place: Place) -> Iterator[h5py.File]:
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise place.error(
            "the file is not HDF5, or it is damaged",
            expected="an .h5ad file as anndata writes it",
            remedy="check 'path' and 'format', or copy the file again",
        ) from None
    with file:
        if not {"obs", "var"} <= set(file):
            raise place.error(
                "the file is HDF5 but no AnnData: it lacks obs or var",
                expected="an .h5ad file as anndata writes it",
                remedy="convert it with anndata",
            )
        yield file


def _genes(file: h5py.File, place: Place) -> tuple[str, ...]:
    var = _table(file, "var", place)
    genes = tuple(str(gene) for gene in var.index)
    require_genes(genes, place.within("var"))
    return genes


def _obs(file: h5py.File, columns: ExpressionColumns, place: Place) -> pd.DataFrame:
    obs = _table(file, "obs", place)
    known = [str(column) for column in obs.columns]
    if columns.target not in known and columns.target in file["var"]:
        raise place.error(
            f"rows and columns seem to be swapped: the target '{columns.target}' is a column of var",
            expected="a row of obs per sample and a row of var per gene",
            remedy="transpose it (adata.T) and write it again",
        )
    require_columns(columns, known, "the columns of obs", place)
    if obs.empty:
        raise place.error("the file has no samples", expected="at least one row in obs")
    names = pd.Series([str(sample) for sample in obs.index], index=range(1, len(obs) + 1), name="obs_names")
    if columns.sample is None:
        require_unique(names, "obs_names", place)
    obs.index = pd.RangeIndex(1, len(obs) + 1)
    return obs


def _table(file: h5py.File, name: str, place: Place) -> pd.DataFrame:
    from anndata.io import read_elem

    require_self_contained(file, name, place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats, which it reads all the same
            table = read_elem(file[name])
    except Exception:  # anndata has errors of many kinds; their words may hold cells
        table = None
    if not isinstance(table, pd.DataFrame):
        raise place.error(
            f"'{name}' is not a table that anndata can read",
            expected="a data frame as anndata 0.7 or later writes it",
            remedy="write the file anew with a current anndata",
        )
    return table


def _matrix_node(file: h5py.File, layer: str | None, place: Place) -> h5py.Dataset | h5py.Group:
    if layer is None:
        if "X" not in file:
            raise place.error("the file has no X", expected="values in X", remedy="name a 'layer'")
        require_self_contained(file, "X", place)
        return file["X"]
    if "layers" in file:
        require_self_contained(file, "layers", place)
    layers = sorted(file["layers"]) if "layers" in file else []
    if layer not in layers:
        raise absent("layer", layer, layers, "the file's layers", place)
    return file["layers"][layer]
