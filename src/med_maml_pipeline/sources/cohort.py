"""Which rows of a table are examples, who they belong to, and an account of the rest."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.cells import canonical, not_numbers, tidy
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow
from med_maml_pipeline.sources.spec import TableColumns

__all__ = ["check_columns", "group_ids", "select_rows", "strata_of", "tidy_frame"]

UNKNOWN_STRATUM = "unknown"


def check_columns(frame: pd.DataFrame, columns: TableColumns, place: Place) -> None:
    """Every declared column must exist, and the target must have no second role.

    Raises:
        DataError: a declared column is absent; a close match is suggested.
        ConfigurationError: the target is declared as an input too, or a column is encoded in two ways.
    """
    single = (columns.target, columns.group, columns.order, columns.stratum, columns.id)
    inputs = (*columns.categorical, *columns.icd9, *(columns.numeric or ()))
    declared = (*(name for name in single if name), *inputs, *columns.drop)
    for name in (*declared, *columns.missing_by_column, *columns.exclude_rows):
        if name not in frame.columns:
            role = "target column" if name == columns.target else "column"
            close = get_close_matches(name, [str(known) for known in frame.columns], n=1)
            raise place.error(
                f"the declared {role} '{name}' is absent among {frame.shape[1]} columns",
                expected="a column of that name in the header",
                remedy=f"did you mean '{close[0]}'" if close else "correct the name in the configuration",
            )
    twice = sorted({name for name in inputs if inputs.count(name) > 1})
    if columns.target in inputs or twice:
        what = f"column '{twice[0]}' twice" if twice else f"its target '{columns.target}'"
        raise ConfigurationError(f"source '{place.source}', {place.where}: declares {what} as an input.")


def tidy_frame(frame: pd.DataFrame, columns: TableColumns) -> pd.DataFrame:
    """All cells in canonical spelling, None where missing by the declared markers."""
    return pd.DataFrame(
        {
            name: tidy(frame[name], (*columns.missing, *columns.missing_by_column.get(name, ())))
            for name in frame.columns
        }
    )


def select_rows(
    frame: pd.DataFrame, columns: TableColumns, table: str, place: Place
) -> tuple[pd.DataFrame, list[AttritionRow]]:
    """Applies the declared exclusions in order: rows by value, then all but the first row per group.

    Args:
        frame: A tidy frame indexed by row number.
        columns: The declared roles and exclusions.
        table: Name of the table in the account.
        place: For errors.

    Raises:
        DataError: repeated or missing row identifiers, missing group identifiers, no row left.
    """
    _require_unique_ids(frame, columns, place)
    account = [AttritionRow(table, "rows read", len(frame), 0)]
    for name, values in columns.exclude_rows.items():
        excluded = frame[name].isin({canonical(value) for value in values} - {None}).to_numpy()
        if any(canonical(value) is None for value in values):
            excluded |= frame[name].isna().to_numpy()
        frame = frame.loc[~excluded]
        account.append(AttritionRow(table, f"excluded by '{name}'", len(frame), int(excluded.sum())))
    if columns.group:
        _require_present(frame[columns.group], "group", place)
    if columns.first_per_group:
        before = len(frame)
        frame = _first_per_group(frame, columns, place)
        account.append(AttritionRow(table, "later rows of a group", len(frame), before - len(frame)))
    if frame.empty:
        raise place.error("no row is left after the declared exclusions", remedy="check 'exclude_rows'")
    return frame, account


def group_ids(frame: pd.DataFrame, columns: TableColumns, prefix: str) -> NDArray[np.object_]:
    """Group identifier per row, ``[n]`` str: the declared column, else the record, else the row number."""
    if columns.group:
        ids = frame[columns.group].astype(str)
    elif columns.identical_rows_share_group:
        every = [name for name in frame.columns if name != columns.id]
        ids = "record-" + frame.groupby(every, dropna=False, sort=False).ngroup().astype(str)
    else:
        ids = "row-" + frame.index.to_series().astype(str)
    return np.asarray(prefix + ids, dtype=object)


def strata_of(frame: pd.DataFrame, column: str | None) -> NDArray[np.object_] | None:
    """The declared strata ``[n]``, ``unknown`` where blank; None where no column is declared."""
    if column is None:
        return None
    return frame[column].fillna(UNKNOWN_STRATUM).to_numpy(dtype=object)


def _first_per_group(frame: pd.DataFrame, columns: TableColumns, place: Place) -> pd.DataFrame:
    if columns.group is None:
        raise ConfigurationError(
            f"source '{place.source}', {place.where}: 'first_per_group' needs a 'group' column."
        )
    ordered = frame
    if columns.order:
        order = frame[columns.order]
        _require_present(order, "order", place)
        order = order if not_numbers(order).any() else pd.to_numeric(order)
        ordered = frame.loc[order.sort_values(kind="stable").index]
    return ordered.drop_duplicates(columns.group, keep="first").sort_index()


def _require_unique_ids(frame: pd.DataFrame, columns: TableColumns, place: Place) -> None:
    if columns.id is None:
        return
    _require_present(frame[columns.id], "id", place)
    repeated = frame[columns.id].duplicated().to_numpy()
    if repeated.any():
        raise place.error(
            f"{int(repeated.sum())} rows repeat an identifier of column '{columns.id}', first in row "
            f"{frame.index[repeated][0]}",
            expected="one row per identifier",
            remedy="remove the repeats, or declare the column as 'group' if patients repeat",
        )


def _require_present(column: pd.Series, role: str, place: Place) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise place.error(
            f"{int(missing.sum())} rows lack the {role} column '{column.name}', first in row "
            f"{column.index[missing][0]}",
            expected=f"a value in every row of the {role} column",
            remedy=f"exclude them with exclude_rows: {{{column.name}: ['']}}",
        )
