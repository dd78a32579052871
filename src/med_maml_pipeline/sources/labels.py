"""The target column of a table: its type, its classes, and every reason to refuse it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from med_maml_pipeline.sources.cells import canonical, not_numbers, numbers
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.spec import TableColumns
from med_maml_pipeline.tasks.types import FloatArray, TargetColumn, TargetType

__all__ = ["MAX_CLASSES", "read_target", "sorted_levels"]

MAX_CLASSES = 24


def read_target(
    column: pd.Series, columns: TableColumns, place: Place, *, max_classes: int = MAX_CLASSES
) -> tuple[FloatArray, TargetColumn]:
    """Labels ``[n]`` and their description.

    Class indices follow the sorted class names (numbers by value), so they do not depend on row order.
    Rare classes stay: task construction drops those that cannot fill a support.

    Args:
        column: The tidy target column, indexed by row number.
        columns: The declared roles.
        place: For errors.
        max_classes: The most classes a target may have.

    Raises:
        DataError: missing cells, one class only, too many classes, a numeric target that is constant or
            not numeric.
    """
    missing = column.isna().to_numpy()
    if missing.any():
        raise place.error(
            f"the target column '{column.name}' is missing (NaN) in {int(missing.sum())} of {len(column)} "
            f"rows, first in row {column.index[missing][0]}",
            expected="a target in every row",
            remedy=f"leave those rows out with exclude_rows: {{{column.name}: ['']}}",
        )
    if columns.target_type == "regression":
        return _values(column, place)
    levels = sorted_levels(column)
    names: tuple[str, ...] = ()
    if columns.positive:
        positive = {canonical(value) for value in columns.positive}
        y = np.asarray(column.isin(positive), dtype=np.float32)
    elif columns.majority_vs_rest:
        counts = column.value_counts()
        y = np.asarray(column != max(levels, key=lambda level: counts[level]), dtype=np.float32)
    else:
        index = {level: number for number, level in enumerate(levels)}
        y = np.asarray(column.map(index), dtype=np.float32)
        names = tuple(levels)
    found = len(np.unique(y))
    _check_classes(found, column, place, max_classes)
    kind = TargetType.BINARY if found == 2 else TargetType.MULTICLASS
    name = str(column.name)
    return y, TargetColumn(name, kind, found, cluster=name, classes=names)


def _values(column: pd.Series, place: Place) -> tuple[FloatArray, TargetColumn]:
    y = numbers(column, place)
    if y.min() == y.max():
        raise place.error(
            f"the numeric target '{column.name}' has one value only in {len(y)} rows",
            expected="a target that varies",
        )
    name = str(column.name)
    return y, TargetColumn(name, TargetType.REGRESSION, 0, cluster=name)


def sorted_levels(column: pd.Series) -> list[str]:
    """Distinct values of a tidy column without gaps: by value where all are numbers, else by the alphabet."""
    levels = sorted(str(level) for level in column.unique())
    return levels if not_numbers(column).any() else sorted(levels, key=float)


def _check_classes(found: int, column: pd.Series, place: Place, max_classes: int) -> None:
    if found < 2:
        raise place.error(
            f"the target column '{column.name}' has one class only in {len(column)} rows",
            expected="at least two classes",
            remedy="check 'positive' and 'exclude_rows', or leave the table out",
        )
    if found > max_classes:
        raise place.error(
            f"the target column '{column.name}' has {found} classes",
            expected=f"2 to {max_classes} classes",
            remedy="set target_type: regression for a numeric target, or name the 'positive' values",
        )
