"""The codes of a MEDS export that become features and targets, counted in one pass over the shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import polars as pl

from med_maml_pipeline.sources.meds_codes import CodeRoles
from med_maml_pipeline.sources.meds_window import AFTER, VISIBLE, in_window

__all__ = ["CodeForm", "MedsVocabulary", "codes_where"]


class CodeForm(StrEnum):
    """How a code is summarised."""

    STATIC = "static"  # whether it was recorded
    COUNT = "count"  # how often
    NUMERIC = "numeric"  # how often, and statistics of its values


@dataclass(frozen=True)
class MedsVocabulary:
    """What a pass over all shards found.

    Attributes:
        inputs: Input codes, the most frequent first, with their form.
        conditions: Condition codes, sorted.
        outcome_subjects: Subjects with an event of the outcome after their window, by outcome.
        has_sites: Whether any code names a site.
        subjects: Subjects with a timed event.
        untimed: Subjects without one.
    """

    inputs: tuple[tuple[str, CodeForm], ...]
    conditions: tuple[str, ...]
    outcome_subjects: dict[str, int]
    has_sites: bool
    subjects: int
    untimed: int

    @classmethod
    def count(cls, shards: Iterable[pl.DataFrame], roles: CodeRoles) -> MedsVocabulary:
        """Counts subjects per code, shard by shard; memory holds one shard and one row per code.

        A subject lies in one shard, so counts add up. Inputs count within the window, conditions at any
        time; both need ``min_category_count`` subjects, since rarer ones could identify a patient.
        """
        spec = roles.spec
        inputs, conditions = _no_counts(), _no_counts()
        outcome_subjects = dict.fromkeys(spec.outcomes, 0)
        has_sites, subjects, total = False, 0, 0
        for shard in shards:
            events = in_window(shard, spec.window_days)
            inputs = _add(inputs, events.filter(VISIBLE), roles.is_input)
            conditions = _add(conditions, events, roles.is_condition)
            for name in spec.outcomes:
                codes = codes_where(events, partial(roles.is_outcome, name))
                outcome_subjects[name] += events.filter(pl.col(AFTER) & codes)["subject_id"].n_unique()
            has_sites = has_sites or not events.filter(codes_where(events, roles.names_site)).is_empty()
            subjects += events["subject_id"].n_unique()
            total += shard["subject_id"].n_unique()
        enough = pl.col("subjects") >= spec.min_category_count
        kept = inputs.filter(enough).sort(["subjects", "code"], descending=[True, False]).head(spec.max_codes)
        return cls(
            inputs=tuple(
                (row["code"], _form(row, spec.min_category_count)) for row in kept.iter_rows(named=True)
            ),
            conditions=tuple(conditions.filter(enough)["code"].sort()),
            outcome_subjects=outcome_subjects,
            has_sites=has_sites,
            subjects=subjects,
            untimed=total - subjects,
        )


def codes_where(events: pl.DataFrame, holds: Callable[[str], bool]) -> pl.Expr:
    """Selects events by a property of their code, tested once per code."""
    return pl.col("code").is_in([code for code in events["code"].unique() if holds(code)])


def _form(row: dict[str, int], min_count: int) -> CodeForm:
    if row["numeric"] >= min_count:
        return CodeForm.NUMERIC
    return CodeForm.COUNT if row["timed"] else CodeForm.STATIC


def _no_counts() -> pl.DataFrame:
    counts = dict.fromkeys(("subjects", "numeric", "timed"), pl.Int64)
    return pl.DataFrame(schema={"code": pl.String, **counts})


def _add(counts: pl.DataFrame, events: pl.DataFrame, holds: Callable[[str], bool]) -> pl.DataFrame:
    subject = pl.col("subject_id")
    found = (
        events.filter(codes_where(events, holds))
        .group_by("code")
        .agg(
            subjects=subject.n_unique().cast(pl.Int64),
            numeric=subject.filter(pl.col("numeric_value").is_not_null()).n_unique().cast(pl.Int64),
            timed=subject.filter(pl.col("time").is_not_null()).n_unique().cast(pl.Int64),
        )
    )
    return pl.concat([counts, found]).group_by("code").sum()
