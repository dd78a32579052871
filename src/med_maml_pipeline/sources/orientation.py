"""Whether a matrix has genes as rows: expression is published either way round, and both read well."""

from __future__ import annotations

import pandas as pd

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.sources.labels import MAX_CLASSES
from med_maml_pipeline.sources.matrix_file import MatrixFile
from med_maml_pipeline.sources.spec_expression import ExpressionColumns

__all__ = ["refuse_swapped"]

LOOKED_AT = 20


def refuse_swapped(file: MatrixFile, columns: ExpressionColumns) -> None:
    """Refuses a matrix whose rows look like genes.

    That is: the target is no column but a label in the first column; or it is nowhere, and there are more
    rows than columns, of numbers all but the first, which names each row differently; or it is the first
    column and names each row differently.

    Raises:
        DataError: rows and columns seem to be swapped.
    """
    target = columns.target
    if target in file.header[1:]:
        return
    first = file.text([0])[0].str.strip()
    if target == file.header[0]:
        if columns.target_type == "class" and len(first) > MAX_CLASSES and first.is_unique:
            raise _swapped(file, f"the target '{target}' names each of {len(first)} rows differently")
    elif (first == target).any():
        row = first.index[first == target][0]
        raise _swapped(file, f"the target '{target}' is the label of row {row}, not a column")
    elif len(first) > len(file.header) and first.is_unique and _names(first) and _all_numbers(file):
        raise _swapped(
            file, f"there is no column '{target}', and more rows ({len(first)}) than columns, all numbers"
        )


def _swapped(file: MatrixFile, why: str) -> DataError:
    return file.place.error(
        f"rows and columns seem to be swapped: {why}",
        expected="a row per sample, a column per gene, and the target as a column",
        remedy="transpose the file",
    )


def _names(cells: pd.Series) -> bool:
    return bool(pd.to_numeric(cells, errors="coerce").isna().all())


def _all_numbers(file: MatrixFile) -> bool:
    others = file.text(range(1, min(len(file.header), 1 + LOOKED_AT)))
    return all(
        bool(pd.to_numeric(cells.dropna(), errors="coerce").notna().all()) for _, cells in others.items()
    )
