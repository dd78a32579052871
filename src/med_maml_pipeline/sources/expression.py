"""Reader of delimited expression matrices: a folder of studies, each with genes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from med_maml_pipeline.features.expression import scale_samples
from med_maml_pipeline.sources.cells import tidy
from med_maml_pipeline.sources.expression_groups import digests, group_rows
from med_maml_pipeline.sources.expression_samples import (
    Samples,
    declared_columns,
    expression_schema,
    read_samples,
    require_columns,
    require_genes,
)
from med_maml_pipeline.sources.expression_values import check_values
from med_maml_pipeline.sources.matrix_file import MatrixFile
from med_maml_pipeline.sources.orientation import refuse_swapped
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema, inside
from med_maml_pipeline.sources.spec_expression import ExpressionMatrix, MatricesSource

__all__ = ["read_matrices"]


@dataclass(frozen=True)
class _Opened:
    """A matrix whose header and columns beside the genes are read and checked."""

    name: str
    matrix: ExpressionMatrix
    file: MatrixFile
    genes: tuple[int, ...]
    samples: Samples

    @property
    def schema(self) -> TableSchema:
        genes = tuple(self.file.header[number] for number in self.genes)
        return expression_schema(self.name, genes, self.samples, self.matrix.scale)


def read_matrices(name: str, spec: MatricesSource, root: Path) -> Reading:
    """Opens a folder of expression matrices, one table and one part each.

    Headers, targets and groups of all matrices are checked first; the numbers of one matrix at a time are
    read when its part is asked for. Samples alike in every gene are one group. Groups of different matrices
    never meet, unless they are declared by a column and the source names a ``group_namespace``.

    Args:
        name: Name of the source.
        spec: The matrices, the roles of their columns and their scales.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: a matrix cannot be used: damaged, rows and columns swapped, repeated genes or samples, a
            target absent or missing; while parts are read, numbers that are none or contradict the scale.
    """
    folder = inside(root, spec.path, source=name)
    opened = [_open(name, folder, table, matrix, spec) for table, matrix in spec.sets.items()]
    attrition: list[AttritionRow] = []
    return Reading(
        schemas=tuple(one.schema for one in opened),
        parts=_parts(opened, spec, attrition),
        attrition=attrition,
        group_namespace=name,
    )


def _open(name: str, folder: Path, table: str, matrix: ExpressionMatrix, spec: MatricesSource) -> _Opened:
    path = inside(folder, matrix.file or f"{table}.csv.gz", source=name)
    place = Place(name, f"table '{table}'")
    file = MatrixFile.open(path, place, matrix.missing)
    columns = matrix.columns
    refuse_swapped(file, columns)
    require_columns(columns, file.header, "the header's columns", place)
    roles = {declared for _, declared in declared_columns(columns)}
    genes = tuple(
        number for number, column in enumerate(file.header) if column not in {*roles, *columns.drop}
    )
    require_genes(tuple(file.header[number] for number in genes), place)
    _require_once(file, roles)
    numbers = [file.header.index(role) for role in roles]
    text = file.text(numbers)
    frame = pd.DataFrame({file.header[number]: tidy(text[number], matrix.missing) for number in numbers})
    # Declared groups go bare into a declared namespace, where other tables and sources may know them.
    prefixes = ("" if spec.group_namespace else f"{table}/", f"{name}/{table}/")
    samples = read_samples(frame, columns, prefixes, place)
    return _Opened(table, matrix, file, genes, samples)


def _require_once(file: MatrixFile, roles: set[str]) -> None:
    twice = sorted(role for role in roles if file.header.count(role) > 1)
    if twice:
        raise file.place.error(
            f"{len(twice)} declared columns occur more than once: {', '.join(map(repr, twice[:5]))}",
            expected="distinct column names",
            remedy="rename the columns",
        )


def _parts(opened: list[_Opened], spec: MatricesSource, attrition: list[AttritionRow]) -> Iterator[TablePart]:
    for one in opened:
        x = one.file.numbers(one.genes)
        check_values(x, np.arange(1, len(x) + 1), one.matrix.scale, one.file.place)
        shared = one.matrix.columns.group if spec.group_namespace else None
        groups, account = group_rows(one.samples.groups, digests(x), one.name, shared, one.file.place)
        attrition += account
        x = scale_samples(x, one.matrix.scale)
        yield TablePart(one.name, x, one.samples.y, groups, one.samples.strata)
