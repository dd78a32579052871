"""Cells of a table as canonical text: one spelling per value, None where missing, numbers when asked."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["canonical", "not_numbers", "numbers", "tidy"]

_DECIMAL = re.compile(r"([+-]?)(0|[1-9]\d*)(?:\.(\d*))?")
_LARGEST = float(np.finfo(np.float32).max)


def canonical(value: object) -> str | None:
    """One spelling per value: ``3``, ``3.0``, ``" 3 "`` and ``+3`` are ``"3"``; blank and NaN are None.

    So a configured marker ``0`` finds ``0.0`` in the file. Codes with leading zeros keep them.
    """
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    text = str(value).strip()
    if isinstance(value, float | np.floating) and np.isnan(value):
        return None
    if (match := _DECIMAL.fullmatch(text)) is None:
        return text or None
    sign, whole, fraction = match.groups()
    fraction = (fraction or "").rstrip("0")
    number = whole + (f".{fraction}" if fraction else "")
    return "-" + number if sign == "-" and number != "0" else number


def tidy(column: pd.Series, markers: Iterable[str | int | float] = ()) -> pd.Series:
    """A column in canonical spelling, None where blank or equal to a marker. Index and length are kept."""
    codes, uniques = pd.factorize(column)  # each spelling is parsed once
    missing = {canonical(marker) for marker in markers}
    spelled = [canonical(unique) for unique in uniques]
    table = np.array([None if text in missing else text for text in spelled] + [None], dtype=object)
    return pd.Series(table[codes], index=column.index, dtype=object)


def not_numbers(column: pd.Series) -> NDArray[np.bool_]:
    """Which cells of a tidy column are neither missing nor finite float32 numbers, ``[n]``."""
    values = _parsed(column)
    usable = np.abs(np.nan_to_num(values, nan=np.inf)) <= _LARGEST
    return np.asarray(column.notna().to_numpy() & ~usable, dtype=np.bool_)


def numbers(column: pd.Series, place: Place) -> FloatArray:
    """A tidy column as float32 ``[n]``, NaN where missing. The index holds the row numbers of the file.

    Raises:
        DataError: a cell is not a number; carries the column, the count and the first row number.
    """
    bad = not_numbers(column)
    if bad.any():
        raise place.error(
            f"{int(bad.sum())} cells of column '{column.name}' are not numbers, first in row "
            f"{column.index[bad][0]}",
            expected="finite numbers or declared missing-value markers",
            remedy="declare it under 'categorical' or 'drop', or its markers under 'missing_by_column'",
        )
    return _parsed(column).astype(np.float32)


def _parsed(column: pd.Series) -> NDArray[np.float64]:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
