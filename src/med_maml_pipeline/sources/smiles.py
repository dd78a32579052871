"""Reader of SMILES assay tables: one row per molecule, one target per assay, duplicates merged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.molecules import (
    StandardMolecule,
    feature_kinds,
    feature_names,
    featurise,
    scaffold_key,
)
from med_maml_pipeline.sources.assay_table import AssayTable
from med_maml_pipeline.sources.duplicates import MergedCells, MoleculeRows
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema, inside
from med_maml_pipeline.sources.spec import SmilesSource
from med_maml_pipeline.tasks.types import FloatArray, IntArray, TargetColumn, TargetType

__all__ = ["read_smiles"]

TABLE = "main"


def read_smiles(name: str, spec: SmilesSource, root: Path) -> Reading:
    """Opens a SMILES assay table.

    Inputs are the count Morgan fingerprint, then descriptors (`med_maml_pipeline.features.molecules`). Rows
    whose SMILES rdkit cannot parse are set aside and counted. Rows of the same molecule (same InChIKey after
    salts are stripped) become one: a cell known in one of them is filled, one on which they disagree follows
    ``spec.conflicts``. The file is read in chunks, three times: to name the molecules, to merge duplicates,
    to compute inputs. Only the standard SMILES of all molecules stay in memory.

    Args:
        name: Source name.
        spec: Its configuration.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: no such file; no SMILES or assay column; column names repeat. While parts are read: a cell
            is no assay result, a row has a wrong number of cells, no row is left, or duplicates disagree and
            ``conflicts`` is ``error``.
    """
    path = inside(root, spec.path, source=name)
    table = AssayTable.open(path, source=name, where=spec.path)
    assays = _assay_columns(table, spec)
    kind, n_classes = TargetType(spec.target_type), 2 if spec.target_type == "binary" else 0
    schema = TableSchema(
        table=TABLE,
        features=feature_names(spec.fingerprint_bits),
        kinds=feature_kinds(spec.fingerprint_bits),
        targets=tuple(TargetColumn(assay, kind, n_classes, cluster=assay) for assay in assays),
        preprocessing={
            "fingerprint_bits": spec.fingerprint_bits,
            "fingerprint_radius": spec.fingerprint_radius,
        },
    )
    attrition: list[AttritionRow] = []
    return Reading(
        schemas=(schema,),
        parts=_parts(table, spec, assays, attrition),
        attrition=attrition,
        group_namespace="scaffold" if spec.scaffold_groups else "molecule",
    )


def _assay_columns(table: AssayTable, spec: SmilesSource) -> tuple[str, ...]:
    wanted = spec.assays or tuple(c for c in table.header if c != spec.smiles and c not in spec.drop)
    missing = [column for column in (spec.smiles, *wanted, *spec.drop) if column not in table.header]
    if missing:
        raise table.error(
            f"{len(missing)} configured columns are absent, the first is '{missing[0]}'",
            expected="them in the header",
            remedy="check 'smiles', 'assays' and 'drop' of this source",
        )
    if not wanted or "" in wanted:
        raise table.error(
            "a column has no name" if wanted else "there is no assay column",
            expected="named assay columns beside the SMILES",
            remedy="name it, or list '' under 'drop'" if wanted else "check 'drop' of this source",
        )
    return wanted


def _parts(
    table: AssayTable, spec: SmilesSource, assays: tuple[str, ...], attrition: list[AttritionRow]
) -> Iterator[TablePart]:
    molecules = MoleculeRows.of(table.text(spec.smiles))
    _require_rows(table, molecules)
    merged = _merge(table, spec, assays, molecules)
    conflicts = merged.settle()
    if conflicts and spec.conflicts == "error":
        raise _conflict_error(table, merged, conflicts)
    emitted = np.zeros(len(molecules.standard), dtype=bool)
    start, cells = 0, 0
    for y in table.numbers(assays, binary=spec.target_type == "binary"):
        numbers = molecules.numbers[start : start + len(y)]
        start += len(y)
        fresh = _first_rows(numbers, emitted)
        emitted[numbers[fresh]] = True
        labels = _labels(y[fresh], numbers[fresh], merged)
        cells += int((~np.isnan(labels)).sum())
        if len(fresh):
            yield _part([molecules.standard[number] for number in numbers[fresh]], labels, spec)
    parsed = int((molecules.numbers >= 0).sum())
    unique = len(molecules.standard)
    attrition += [
        AttritionRow(TABLE, "rows read", start, 0),
        AttritionRow(TABLE, "unparsable SMILES", parsed, start - parsed),
        AttritionRow(TABLE, "duplicate molecules merged", unique, parsed - unique),
        AttritionRow(TABLE, "assay cells in conflict (cells, not rows)", cells, conflicts),
    ]


def _merge(
    table: AssayTable, spec: SmilesSource, assays: tuple[str, ...], molecules: MoleculeRows
) -> MergedCells:
    merged, start, rows_of = MergedCells(), 0, molecules.rows_of
    if not (rows_of > 1).any():
        return merged
    for y in table.numbers(assays, binary=spec.target_type == "binary"):
        for row, number in enumerate(molecules.numbers[start : start + len(y)]):
            if number >= 0 and rows_of[number] > 1:
                merged.add(int(number), y[row])
        start += len(y)
    return merged


def _first_rows(numbers: IntArray, emitted: NDArray[np.bool_]) -> IntArray:
    """Rows of this chunk that show a molecule for the first time, ascending."""
    _, first = np.unique(numbers, return_index=True)
    first = np.sort(first[numbers[first] >= 0])
    return first[~emitted[numbers[first]]]


def _labels(y: FloatArray, numbers: IntArray, merged: MergedCells) -> FloatArray:
    for row, number in enumerate(numbers):
        if int(number) in merged.y:
            y[row] = merged.y[int(number)]
    return y


def _part(molecules: list[StandardMolecule], y: FloatArray, spec: SmilesSource) -> TablePart:
    keys = [scaffold_key(molecule) if spec.scaffold_groups else molecule.key for molecule in molecules]
    x = featurise(
        [molecule.smiles for molecule in molecules],
        bits=spec.fingerprint_bits,
        radius=spec.fingerprint_radius,
    )
    return TablePart(TABLE, x, y, np.array(keys, dtype=object))


def _require_rows(table: AssayTable, molecules: MoleculeRows) -> None:
    if not molecules.standard:
        raise table.error(
            f"none of {len(molecules.numbers)} rows holds a SMILES that rdkit can parse",
            expected="at least one molecule",
            remedy="check that 'smiles' names the right column",
        )


def _conflict_error(table: AssayTable, merged: MergedCells, cells: int) -> DataError:
    molecules = sum(bool(conflicts.any()) for conflicts in merged.conflicts.values())
    return table.error(
        f"duplicate rows of {molecules} molecules disagree in {cells} assay cells",
        expected="duplicates that agree, because 'conflicts' is 'error'",
        remedy="correct them, or set 'conflicts: drop' to leave these cells out",
    )
