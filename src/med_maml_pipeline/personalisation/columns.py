"""Columns of numbers by name, brought into the order in which a checkpoint reads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd

from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases, listed, require_columns
from med_maml_pipeline.sources.cells import not_numbers, tidy
from med_maml_pipeline.sources.icd9 import icd9_chapter
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray

__all__ = ["free_columns", "named_columns"]

_LOGGER = logging.getLogger(__name__)


def named_columns(cases: Cases, schema: InputSchema) -> FloatArray:
    """The features of a checkpoint from the columns of a table, in the checkpoint's order.

    A feature ``sex=f`` comes as its own column, or with its sisters from a column ``sex``, whose values
    are compared with the levels that the checkpoint knows: an unknown one gives zeros and is counted in the
    log, a blank one gives missing cells.

    Args:
        cases: The table.
        schema: With features and kinds.

    Returns:
        ``[n, f]`` float32, NaN where missing.

    Raises:
        DataError: columns are missing or too many, or a cell is not what its column holds.
    """
    features, kinds = schema.features or (), schema.kinds or ()
    categories = _categories(cases, dict(zip(features, kinds, strict=True)))
    covered = {name for levels in categories.values() for name in levels.values()}
    own = [name for name in features if name not in covered]
    require_columns(cases, [*own, *categories], "the checkpoint reads")
    icd9 = set(schema.preprocessing.get("icd9", ()))
    found = dict(zip(own, _numbers(cases, own).T, strict=True))
    for column, levels in categories.items():
        found |= _indicators(cases, column, levels, icd9=column in icd9)
    _require_kinds(cases, found, dict(zip(features, kinds, strict=True)))
    return np.stack([found[name] for name in features], axis=1)


def free_columns(support: Cases, query: Cases) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Any columns of numbers, where the checkpoint takes tables of any width.

    Returns:
        Support ``[n, f]``, query ``[q, f]`` and the names of the columns, in the order of the alphabet: so
        the order in the files does not matter.

    Raises:
        DataError: there is no column, the query has others than the support, or a cell is not a number.
    """
    names = sorted(map(str, support.inputs.columns))
    if not names:
        raise support.place.error("there is no column beside identifier and label", expected="inputs")
    require_columns(query, names, "the support table has")
    return _numbers(support, names), _numbers(query, names), tuple(names)


def _categories(cases: Cases, kinds: Mapping[str, FeatureKind]) -> dict[str, dict[str, str]]:
    """Columns of the table that hold a category: column to level to feature."""
    given = set(map(str, cases.inputs.columns))
    found: dict[str, dict[str, str]] = {}
    for column in (name for name in cases.inputs.columns if name not in kinds):
        levels = {
            name.removeprefix(f"{column}="): name
            for name, kind in kinds.items()
            if kind is FeatureKind.INDICATOR and name.startswith(f"{column}=")
        }
        if levels and not given & set(levels.values()):
            found[str(column)] = levels
    return found


def _numbers(cases: Cases, names: list[str]) -> FloatArray:
    """Columns ``[n, len(names)]`` as numbers, NaN where blank."""
    columns = {name: tidy(cases.inputs[name]) for name in names}
    text = {name: not_numbers(column) for name, column in columns.items()}
    wrong = [name for name in names if text[name].any()]
    if wrong:
        first = columns[wrong[0]].index[text[wrong[0]]][0]
        raise cases.place.error(
            f"{sum(int(text[name].sum()) for name in wrong)} cells are not numbers, in "
            f"{len(wrong)} columns: {listed(wrong)}; the first in row {first}",
            expected="finite numbers, or blank where missing",
            remedy="correct the cells or leave them blank",
        )
    values = [pd.to_numeric(columns[name]).to_numpy(dtype=np.float32, na_value=np.nan) for name in names]
    return np.stack(values, axis=1) if values else np.empty((len(cases), 0), dtype=np.float32)


def _indicators(cases: Cases, column: str, levels: Mapping[str, str], *, icd9: bool) -> dict[str, FloatArray]:
    cells = tidy(cases.inputs[column])
    if icd9:
        cells = cells.map(
            lambda code: code if code is None else icd9_chapter(str(code)) or "", na_action=None
        )
    missing = cells.isna().to_numpy()
    unknown = int((~cells.isin(list(levels)).to_numpy() & ~missing).sum())
    if unknown:
        _LOGGER.warning(
            "%s: %d cells of column '%s' hold a level that the checkpoint does not know; they count as none",
            cases.place.where,
            unknown,
            column,
        )
    return {
        name: np.where(missing, np.nan, (cells == level).to_numpy()).astype(np.float32)
        for level, name in levels.items()
    }


def _require_kinds(cases: Cases, columns: Mapping[str, FloatArray], kinds: Mapping[str, FeatureKind]) -> None:
    """Indicators are 0 or 1, counts are not negative."""
    for name, values in columns.items():
        known = np.nan_to_num(values)
        if kinds[name] is FeatureKind.INDICATOR:
            wrong, expected = (known != 0) & (known != 1), "0, 1 or blank"
        elif kinds[name] is FeatureKind.COUNT:
            wrong, expected = known < 0, "counts from 0, or blank"
        else:
            continue
        if wrong.any():
            raise cases.place.error(
                f"{int(wrong.sum())} cells of column '{name}' are out of range, first in row "
                f"{cases.inputs.index[wrong][0]}",
                expected=expected,
                remedy="see how the checkpoint's column is defined",
            )
