"""The columns of a table as features: numbers as they are, categories one-hot, codes by chapter."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.sources.cells import not_numbers, numbers
from med_maml_pipeline.sources.icd9 import icd9_chapter
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.spec import TableColumns
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, FloatArray

__all__ = ["build_features", "one_hot"]


def build_features(
    frame: pd.DataFrame,
    columns: TableColumns,
    groups: NDArray[np.object_],
    min_category_count: int,
    place: Place,
) -> FeatureTable:
    """Features ``[n, f]`` in the order of the file's columns.

    Args:
        frame: The selected rows, tidy, indexed by row number.
        columns: The declared roles.
        groups: ``[n]`` group identifiers.
        min_category_count: Levels seen in fewer groups get no column.
        place: For errors.

    Raises:
        DataError: text in a column not declared categorical, an unknown ICD-9 code, or no feature at all.
    """
    numeric = _numeric_columns(frame, columns, place)
    blocks: list[FloatArray] = []
    names: list[str] = []
    kinds: list[FeatureKind] = []
    for name in map(str, frame.columns):
        if name in numeric:
            blocks.append(numbers(frame[name], place)[:, None])
            names.append(name)
            kinds.append(FeatureKind.NUMERIC)
        elif name in columns.categorical or name in columns.icd9:
            levels = _chapters(frame[name], place) if name in columns.icd9 else frame[name]
            block, kept = one_hot(levels, groups, min_category_count)
            blocks.append(block)
            names.extend(f"{name}={level}" for level in kept)
            kinds.extend([FeatureKind.INDICATOR] * len(kept))
    if not names:
        raise place.error("no column is left as an input", remedy="check 'numeric', 'categorical' and 'drop'")
    return FeatureTable(np.concatenate(blocks, axis=1), tuple(names), tuple(kinds))


def one_hot(
    column: pd.Series, groups: NDArray[np.object_], min_count: int
) -> tuple[FloatArray, tuple[str, ...]]:
    """Indicators ``[n, levels]`` of the levels that at least ``min_count`` groups show; NaN where missing.

    A rarer level is all zeros: a column of its own could identify a patient.
    """
    shown = pd.DataFrame({"level": column.to_numpy(), "group": groups}).dropna().drop_duplicates()
    counts = shown["level"].value_counts()
    kept = tuple(sorted(str(level) for level in counts.index[counts >= min_count]))
    cells = column.to_numpy()
    indicators = (cells[:, None] == np.array(kept, dtype=object)[None, :]).astype(np.float32)
    indicators[column.isna().to_numpy()] = np.nan
    return indicators, kept


def _numeric_columns(frame: pd.DataFrame, columns: TableColumns, place: Place) -> frozenset[str]:
    if columns.numeric is not None:
        return frozenset(columns.numeric)
    roles = {columns.target, columns.group, columns.order, columns.stratum, columns.id}
    taken = roles | {*columns.categorical, *columns.icd9, *columns.drop}
    free = [str(name) for name in frame.columns if name not in taken]
    text = {name: int(count) for name in free if (count := not_numbers(frame[name]).sum())}
    if text:
        listed = ", ".join(f"'{name}' ({count} cells)" for name, count in list(text.items())[:8])
        raise place.error(
            f"{len(text)} columns hold text but are not declared categorical: {listed}",
            expected="numbers in every column without another role",
            remedy="list them under 'categorical' or 'drop', or declare their missing-value markers",
        )
    return frozenset(free)


def _chapters(column: pd.Series, place: Place) -> pd.Series:
    chapter = {code: icd9_chapter(str(code)) for code in column.dropna().unique()}
    unknown = column.isin([code for code, found in chapter.items() if found is None]).to_numpy()
    if unknown.any():
        raise place.error(
            f"{int(unknown.sum())} cells of column '{column.name}' are no ICD-9-CM codes, first in row "
            f"{column.index[unknown][0]}",
            expected="codes such as 250.83, V58 or E909",
            remedy="declare their markers under 'missing_by_column'",
        )
    return column.map(chapter).where(column.notna(), None)
