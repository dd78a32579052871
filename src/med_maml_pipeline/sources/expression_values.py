"""Whether expression values are what the configuration says they are, before anything is done to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.spec_expression import ExpressionScale
from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["check_values", "require_complete"]

LARGEST_LOG = 1000.0
"""No logarithm or log-ratio comes near it; raw counts and intensities nearly always pass it."""


def check_values(x: FloatArray, rows: IntArray, scale: ExpressionScale, place: Place) -> None:
    """Refuses values that contradict ``scale.values``.

    Args:
        x: ``[n, g]`` values; NaN is a missing cell.
        rows: ``[n]`` row numbers to name in messages.
        scale: The declared scale.
        place: For errors.

    Raises:
        DataError: infinite values; counts that are negative or fractional; a sample without counts that
            is to be log-scaled; levels that were not declared; values far beyond any log scale; a sample
            with no value at all. Carries the number of cells and the first row.
    """
    _refuse(
        np.isinf(x), rows, place, "are infinite or beyond float32", "finite numbers", "correct the values"
    )
    empty = np.isnan(x).all(axis=1)
    if empty.any():
        raise place.error(
            f"{int(empty.sum())} samples have no value in any gene, first in row {rows[empty][0]}",
            expected="at least one value per sample",
            remedy="remove these samples",
        )
    if scale.values == "counts":
        _check_counts(x, rows, scale, place)
    elif scale.values == "discretised":
        levels = np.array(scale.levels, dtype=np.float32)
        listed = ", ".join(f"{level:g}" for level in scale.levels)
        _refuse(
            ~np.isin(x, levels) & ~np.isnan(x), rows, place, "are none of the declared levels",
            f"only {listed}", "correct 'levels', or declare other 'values'",
        )  # fmt: skip
    elif scale.values == "log":
        _refuse(
            np.abs(x) > LARGEST_LOG, rows, place, f"lie beyond ±{LARGEST_LOG:g}", "values on a log scale",
            "declare values: intensity or values: counts, with a scaling",
        )  # fmt: skip


def require_complete(x: FloatArray, rows: IntArray, place: Place) -> None:
    """Refuses NaN, for formats that have no way to declare a missing cell.

    Raises:
        DataError: the number of cells and the first row.
    """
    _refuse(
        np.isnan(x), rows, place, "are not finite (NaN)", "a finite number for every gene of every sample",
        "impute them, or leave these genes or samples out",
    )  # fmt: skip


def _check_counts(x: FloatArray, rows: IntArray, scale: ExpressionScale, place: Place) -> None:
    remedy = "use the layer or file of raw counts, or declare values: intensity or values: log"
    expected = "whole numbers from 0, as values: counts declares"
    _refuse(x < 0, rows, place, "are negative", expected, remedy)
    _refuse((x != np.rint(x)) & ~np.isnan(x), rows, place, "are fractional", expected, remedy)
    if scale.scaling != "log":
        return
    without = ~(x > 0).any(axis=1)
    if without.any():
        raise place.error(
            f"{int(without.sum())} samples have no counts, first in row {rows[without][0]}",
            expected="a library size above 0, which scaling: log divides by",
            remedy="remove these samples",
        )


def _refuse(
    bad: NDArray[np.bool_], rows: IntArray, place: Place, what: str, expected: str, remedy: str
) -> None:
    if bad.any():
        first = rows[bad.any(axis=1)][0]
        raise place.error(
            f"{int(bad.sum())} cells {what}, first in row {first}", expected=expected, remedy=remedy
        )
