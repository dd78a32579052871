"""A user's own table: identifiers as they were written, labels, and the columns that are left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.sources.cells import tidy
from med_maml_pipeline.sources.delimited import read_frame
from med_maml_pipeline.sources.place import Place

__all__ = ["Cases", "listed", "require_columns", "require_disjoint", "split_cases"]

_SHOWN = 5
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # put into Parquet files by pandas, not by the user


@dataclass(frozen=True)
class Cases:
    """Rows of a support or query table.

    Attributes:
        place: The table, for errors.
        folder: Folder that the table lies in.
        ids: ``[n]`` identifiers, as the user wrote them.
        labels: ``[n]`` labels as tidy text; None in a query table.
        inputs: All other columns, raw, indexed by row number (first row = 1).
    """

    place: Place
    folder: Path
    ids: NDArray[np.object_]
    labels: pd.Series | None
    inputs: pd.DataFrame

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def read(cls, path: Path, role: str, *, id_column: str, label_column: str | None) -> Cases:
        """Reads a CSV, TSV or Parquet table.

        Args:
            path: The file.
            role: ``support`` or ``query``.
            id_column: Column of the identifiers.
            label_column: Column of the labels; None for a query, which has none.

        Raises:
            DataError: the file is no table, it is empty, a column is absent, an identifier or label is
                blank, or an identifier is there twice.
        """
        place = Place("personalisation", f"{role} table")
        frame = read_frame(path, place)
        frame = frame.loc[:, [_PANDAS_INDEX.fullmatch(str(name)) is None for name in frame.columns]]
        return split_cases(frame, place, path.parent, id_column=id_column, label_column=label_column)


def split_cases(
    frame: pd.DataFrame, place: Place, folder: Path, *, id_column: str, label_column: str | None
) -> Cases:
    """Takes identifiers and labels out of a table indexed by row number. Raises as `Cases.read` does."""
    named = [id_column] if label_column is None else [id_column, label_column]
    if absent := [name for name in named if name not in frame.columns]:
        raise place.error(
            f"there is no column {listed(absent)}",
            expected=f"{listed(named)} beside the inputs",
            remedy="add it, or name yours with --params personalisation.id_column=… or .label_column=…",
        )
    _require_ids(frame[id_column], place)
    labels = None if label_column is None else tidy(frame[label_column])
    if labels is not None and labels.isna().any():
        raise place.error(
            f"{int(labels.isna().sum())} labels are missing, first in row {labels.index[labels.isna()][0]}",
            expected="a label in every row",
            remedy="move these rows to the query table",
        )
    ids = frame[id_column].astype(object).to_numpy()
    return Cases(place, folder, ids, labels, frame.drop(columns=named))


def require_columns(cases: Cases, expected: list[str], what: str) -> None:
    """Passes where a table has exactly the columns ``expected``, in any order.

    Args:
        cases: The table.
        expected: Names of the columns.
        what: Who expects them: ``the checkpoint reads``.

    Raises:
        DataError: columns are missing or too many; names them.
    """
    given, wanted = set(map(str, cases.inputs.columns)), set(expected)
    missing = [name for name in expected if name not in given]
    extra = [str(name) for name in cases.inputs.columns if str(name) not in wanted]
    if not missing and not extra:
        return
    faults = [
        f"{fault} columns: {listed(names)}"
        for fault, names in (("missing", missing), ("unexpected", extra))
        if names
    ]
    raise cases.place.error(
        "; ".join(faults),
        expected=f"the {len(expected)} columns that {what}, in any order",
        remedy="rename, add or remove columns; a cell may be blank, a column may not be left out",
    )


def require_disjoint(support: Cases, query: Cases) -> None:
    """Passes where no case is in both tables.

    Raises:
        DataError: some are; carries their number.
    """
    both = {str(one).strip() for one in support.ids} & {str(one).strip() for one in query.ids}
    if both:
        raise query.place.error(
            f"{len(both)} identifiers are in the support table too",
            expected="a case either in the support or in the query",
            remedy="remove them from one of the two: a case that was learned from says nothing when asked",
        )


def listed(names: list[str]) -> str:
    """The first few column names, quoted, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _require_ids(column: pd.Series, place: Place) -> None:
    spelled = column.astype(object).map(lambda cell: "" if pd.isna(cell) else str(cell).strip())
    blank = (spelled == "").to_numpy()
    if blank.any():
        raise place.error(
            f"{int(blank.sum())} identifiers are blank, first in row {spelled.index[blank][0]}",
            expected="an identifier in every row",
        )
    twice = spelled.duplicated().to_numpy()
    if twice.any():
        raise place.error(
            f"{int(twice.sum())} identifiers occur more than once, first again in row "
            f"{spelled.index[twice][0]}",
            expected="one row per case",
            remedy="give each row an identifier of its own",
        )
