"""Delimited and Parquet tables: one (`table`) or a folder of unrelated ones (`tables`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from med_maml_pipeline.sources.cohort import check_columns, group_ids, select_rows, strata_of, tidy_frame
from med_maml_pipeline.sources.columns import build_features
from med_maml_pipeline.sources.delimited import read_frame
from med_maml_pipeline.sources.labels import read_target
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema, inside
from med_maml_pipeline.sources.spec import NamedTable, TableColumns, TableSource, TablesSource

__all__ = ["read_table", "read_tables"]


@dataclass(frozen=True)
class _Opened:
    schema: TableSchema
    part: TablePart
    attrition: list[AttritionRow]


def read_table(name: str, spec: TableSource, root: Path) -> Reading:
    """Reads one table; its name is ``main`` and it comes as one part.

    Args:
        name: Name of the source.
        spec: File and roles of the columns.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: the file, a column or the target cannot be used; see the rooms this calls.
    """
    path = inside(root, spec.path, source=name)
    opened = _open(
        path, "main", spec.columns, spec.min_category_count, Place(name, f"path '{spec.path}'"), ""
    )
    return _reading(name, [opened])


def read_tables(name: str, spec: TablesSource, root: Path) -> Reading:
    """Reads a folder of unrelated tables, one part each.

    Rows of different tables never share a group: their identifiers are prefixed with the table's name.

    Raises:
        DataError: as for `read_table`.
    """
    folder = inside(root, spec.path, source=name)
    return _reading(
        name, [_open_named(name, folder, table, named, spec) for table, named in spec.tables.items()]
    )


def _open_named(name: str, folder: Path, table: str, named: NamedTable, spec: TablesSource) -> _Opened:
    file = named.file or f"{table}.csv"
    path = inside(folder, file, source=name)
    place = Place(name, f"table '{table}'")
    return _open(path, table, named.columns, spec.min_category_count, place, f"{table}/")


def _open(
    path: Path, table: str, columns: TableColumns, min_category_count: int, place: Place, prefix: str
) -> _Opened:
    raw = read_frame(path, place)
    check_columns(raw, columns, place)
    frame, attrition = select_rows(tidy_frame(raw, columns), columns, table, place)
    y, target = read_target(frame[columns.target], columns, place)
    groups = group_ids(frame, columns, prefix)
    features = build_features(frame, columns, groups, min_category_count, place)
    return _Opened(
        TableSchema(
            table,
            features.names,
            features.kinds,
            (target,),
            preprocessing={"icd9": list(columns.icd9)} if columns.icd9 else {},
        ),
        TablePart(table, features.x, y[:, None], groups, strata_of(frame, columns.stratum)),
        attrition,
    )


def _reading(name: str, opened: list[_Opened]) -> Reading:
    return Reading(
        schemas=tuple(one.schema for one in opened),
        parts=iter([one.part for one in opened]),
        attrition=[row for one in opened for row in one.attrition],
        group_namespace=name,
    )
