"""Features of MEDS subjects: summaries of the visible events per code, and the age at the window's start."""

from __future__ import annotations

import numpy as np
import polars as pl
from meds import birth_code

from med_maml_pipeline.sources.meds_vocabulary import CodeForm, MedsVocabulary
from med_maml_pipeline.sources.meds_window import VISIBLE
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray

__all__ = ["feature_kinds", "feature_names", "subject_features"]

_SUMMARIES = {
    CodeForm.STATIC: ("recorded",),
    CodeForm.COUNT: ("count",),
    CodeForm.NUMERIC: ("count", "last", "mean", "min", "max"),
}
_KIND = {"recorded": FeatureKind.INDICATOR, "count": FeatureKind.COUNT}
_DAYS_PER_YEAR = 365.25
_MICROSECONDS_PER_DAY = 86_400_000_000


def feature_names(vocabulary: MedsVocabulary) -> tuple[str, ...]:
    """``age_years``, then ``code.summary`` in the order of the vocabulary."""
    return (
        "age_years",
        *(f"{code}.{summary}" for code, form in vocabulary.inputs for summary in _SUMMARIES[form]),
    )


def feature_kinds(vocabulary: MedsVocabulary) -> tuple[FeatureKind, ...]:
    """Kinds in the order of `feature_names`."""
    return (
        FeatureKind.NUMERIC,
        *(
            _KIND.get(summary, FeatureKind.NUMERIC)
            for _, form in vocabulary.inputs
            for summary in _SUMMARIES[form]
        ),
    )


def subject_features(events: pl.DataFrame, subjects: pl.DataFrame, vocabulary: MedsVocabulary) -> FloatArray:
    """Features ``[n, f]`` of the subjects.

    Args:
        events: Events with their window (see `in_window`).
        subjects: ``subject_id`` and ``row``, the row of the result.
        vocabulary: The input codes. No other code has a place in the result.
    """
    kinds = feature_kinds(vocabulary)
    x = np.zeros((len(subjects), len(kinds)), dtype=np.float32)
    x[:, [kind is FeatureKind.NUMERIC for kind in kinds]] = np.nan
    x[:, 0] = _age(events, subjects)
    widths = [len(_SUMMARIES[form]) for _, form in vocabulary.inputs]
    place = {
        code: (1 + start, form.value)
        for (code, form), start in zip(vocabulary.inputs, np.cumsum([0, *widths[:-1]]).tolist(), strict=False)
    }
    summaries = _summaries(events, subjects, place)
    for form in CodeForm:
        cells = summaries.filter(pl.col("form") == form.value)
        for offset, summary in enumerate(_SUMMARIES[form]):
            values = cells[_source(summary, form)].fill_null(float("nan")).to_numpy()
            x[cells["row"].to_numpy(), cells["column"].to_numpy() + offset] = values
    return x


def _source(summary: str, form: CodeForm) -> str:
    """Column of `_summaries` that a summary comes from: a numeric code counts its values, not its events."""
    if summary == "recorded":
        return "recorded"
    return "measured" if summary == "count" and form is CodeForm.NUMERIC else summary


def _summaries(
    events: pl.DataFrame, subjects: pl.DataFrame, place: dict[str, tuple[int, str]]
) -> pl.DataFrame:
    """One row per subject and input code, with the place of its first feature."""
    codes = pl.DataFrame(
        {
            "code": list(place),
            "column": [column for column, _ in place.values()],
            "form": [form for _, form in place.values()],
        },
        schema={"code": pl.String, "column": pl.Int64, "form": pl.String},
    )
    value = pl.col("numeric_value").cast(pl.Float64)
    return (
        events.filter(VISIBLE)
        .join(codes, on="code", maintain_order="left")
        .join(subjects, on="subject_id", maintain_order="left")
        .group_by("row", "column", "form", maintain_order=True)
        .agg(
            recorded=pl.lit(1.0),
            count=pl.len().cast(pl.Float64),
            measured=value.count().cast(pl.Float64),
            last=value.drop_nulls().last(),
            mean=value.mean(),
            min=value.min(),
            max=value.max(),
        )
    )


def _age(events: pl.DataFrame, subjects: pl.DataFrame) -> FloatArray:
    """Years from birth to the window's start, NaN where no birth is recorded."""
    born = (
        events.filter(pl.col("code") == birth_code)
        .group_by("subject_id")
        .agg(days=(pl.col("start") - pl.col("time")).min().dt.total_microseconds() / _MICROSECONDS_PER_DAY)
    )
    ages = subjects.join(born, on="subject_id", how="left", maintain_order="left")["days"] / _DAYS_PER_YEAR
    return ages.cast(pl.Float32).fill_null(float("nan")).to_numpy()
