"""Hourly variables summarised up to the window's end, and static columns, as features of a stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from med_maml_pipeline.sources.hourly_files import ELAPSED, HOUR
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray

__all__ = [
    "StaticLevels",
    "hourly_features",
    "hourly_kinds",
    "hourly_names",
    "static_features",
    "static_kinds",
    "static_names",
]

_SUMMARIES = ("last", "mean", "min", "max", "hours")
_KINDS = (*[FeatureKind.NUMERIC] * 4, FeatureKind.COUNT)


def hourly_names(variables: Iterable[str]) -> tuple[str, ...]:
    """``variable.summary`` for each variable and summary."""
    return tuple(f"{variable}.{summary}" for variable in variables for summary in _SUMMARIES)


def hourly_kinds(variables: Iterable[str]) -> tuple[FeatureKind, ...]:
    """Kinds in the order of `hourly_names`: hours with a value are counts."""
    return tuple(kind for _ in variables for kind in _KINDS)


def hourly_features(hours: pl.DataFrame, order: pl.DataFrame, stay: str, window_hours: int) -> FloatArray:
    """Summaries ``[n, 5 v]`` of the hours before ``window_hours``; what follows is never looked at.

    Args:
        hours: Stay, ``elapsed`` and ``v`` variables, one row per stay and hour.
        order: The stays, in the order of the rows to give.
        stay: Column of the stay.
        window_hours: Hours 0 up to and without this one are inputs.
    """
    variables = [column for column in hours.columns if column not in (stay, ELAPSED)]
    seen = hours.filter(pl.col(ELAPSED).is_between(0, window_hours * HOUR, closed="left")).sort(stay, ELAPSED)
    values = [pl.col(variable).cast(pl.Float64).fill_nan(None) for variable in variables]
    names = hourly_names(variables)
    summaries = [
        summary.alias(name)
        for value, start in zip(values, range(0, len(names), len(_SUMMARIES)), strict=True)
        for summary, name in zip(
            (value.drop_nulls().last(), value.mean(), value.min(), value.max(), value.count()),
            names[start : start + len(_SUMMARIES)],
            strict=True,
        )
    ]
    table = order.join(
        seen.group_by(stay, maintain_order=True).agg(summaries), on=stay, how="left", maintain_order="left"
    )
    counts = [
        name for name, kind in zip(names, hourly_kinds(variables), strict=True) if kind is FeatureKind.COUNT
    ]
    table = table.with_columns(pl.col(counts).fill_null(0))
    return _matrix(table.select(names))


@dataclass(frozen=True)
class StaticLevels:
    """What the static columns of all outcomes hold.

    Attributes:
        numeric: Numeric columns, in file order.
        text: Text columns and the levels that enough stays show; rarer ones could identify a patient.
    """

    numeric: tuple[str, ...]
    text: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def collect(cls, statics: Iterable[pl.DataFrame], stay: str, min_count: int) -> StaticLevels:
        """Levels over the union of stays, so that every outcome has the same columns."""
        frames = list(statics)
        columns = [column for column in frames[0].columns if column != stay]
        numeric = tuple(column for column in columns if frames[0][column].dtype.is_numeric())
        text = []
        for column in columns:
            if column in numeric:
                continue
            shown = pl.concat(
                [frame.select(stay, pl.col(column).cast(pl.String)) for frame in frames]
            ).unique()
            counts = shown.drop_nulls(column).group_by(column).len().filter(pl.col("len") >= min_count)
            text.append((column, tuple(sorted(counts[column].to_list()))))
        return cls(numeric, tuple(text))


def static_names(levels: StaticLevels) -> tuple[str, ...]:
    """Numeric columns, then ``column=level``."""
    return (*levels.numeric, *(f"{column}={level}" for column, kept in levels.text for level in kept))


def static_kinds(levels: StaticLevels) -> tuple[FeatureKind, ...]:
    """Kinds in the order of `static_names`."""
    indicators = sum(len(kept) for _, kept in levels.text)
    return (*[FeatureKind.NUMERIC] * len(levels.numeric), *[FeatureKind.INDICATOR] * indicators)


def static_features(static: pl.DataFrame, order: pl.DataFrame, stay: str, levels: StaticLevels) -> FloatArray:
    """Static inputs ``[n, s]`` of the stays in ``order``; NaN where missing."""
    table = order.join(static, on=stay, how="left", maintain_order="left")
    numeric = [pl.col(column).cast(pl.Float64) for column in levels.numeric]
    indicators = [
        (pl.col(column).cast(pl.String) == level).alias(f"{column}={level}")
        for column, kept in levels.text
        for level in kept
    ]
    return _matrix(table.select(*numeric, *indicators))


def _matrix(table: pl.DataFrame) -> FloatArray:
    return np.ascontiguousarray(table.cast(pl.Float32).fill_null(float("nan")).to_numpy(), dtype=np.float32)
