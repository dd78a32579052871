"""Targets of MEDS subjects: conditions ever coded, and outcomes after the observation window."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
from meds import death_code
from numpy.typing import NDArray

from med_maml_pipeline.sources.meds_codes import CodeRoles
from med_maml_pipeline.sources.meds_vocabulary import MedsVocabulary, codes_where
from med_maml_pipeline.sources.meds_window import AFTER, VISIBLE
from med_maml_pipeline.tasks.types import FloatArray, TargetColumn, TargetType

__all__ = ["UNKNOWN_SITE", "subject_sites", "subject_targets", "target_columns"]

UNKNOWN_SITE = "unknown"


def target_columns(vocabulary: MedsVocabulary, roles: CodeRoles) -> tuple[TargetColumn, ...]:
    """One binary target per condition code, then the declared outcomes."""
    conditions = [TargetColumn(code, TargetType.BINARY, 2, cluster=code) for code in vocabulary.conditions]
    outcomes = [
        TargetColumn(name, TargetType(outcome.target_type), 2 if outcome.target_type == "binary" else 0, name)
        for name, outcome in roles.spec.outcomes.items()
    ]
    return (*conditions, *outcomes)


def subject_targets(
    events: pl.DataFrame, subjects: pl.DataFrame, vocabulary: MedsVocabulary, roles: CodeRoles
) -> FloatArray:
    """Targets ``[n, t]`` in the order of `target_columns`, NaN where unobserved.

    Conditions count at any time. A binary outcome is whether its code occurs after the window, a numeric
    one its first value there. Outcomes of subjects who died within the window are unobserved.
    """
    targets = target_columns(vocabulary, roles)
    y = np.full((len(subjects), len(targets)), np.nan, dtype=np.float32)
    y[:, : len(vocabulary.conditions)] = _conditions(events, subjects, vocabulary)
    died = _rows(events.filter(pl.col(VISIBLE) & (pl.col("code") == death_code)), subjects)
    for column, (name, outcome) in enumerate(roles.spec.outcomes.items(), start=len(vocabulary.conditions)):
        codes = codes_where(events, partial(roles.is_outcome, name))
        after = events.filter(pl.col(AFTER) & codes)
        if outcome.target_type == "binary":
            y[:, column] = 0.0
            y[_rows(after, subjects), column] = 1.0
        else:
            first = (
                after.filter(pl.col("numeric_value").is_not_null())
                .unique("subject_id", keep="first", maintain_order=True)
                .join(subjects, on="subject_id")
            )
            y[first["row"].to_numpy(), column] = first["numeric_value"].to_numpy()
        y[died, column] = np.nan
    return y


def subject_sites(events: pl.DataFrame, subjects: pl.DataFrame, roles: CodeRoles) -> NDArray[np.object_]:
    """Site per subject ``[n]`` str: the first one recorded."""
    sites = {code: site for code in events["code"].unique() if (site := roles.site(code)) is not None}
    first = (
        events.filter(pl.col("code").is_in(list(sites)))
        .unique("subject_id", keep="first", maintain_order=True)
        .join(subjects, on="subject_id")
    )
    found = np.full(len(subjects), UNKNOWN_SITE, dtype=object)
    found[first["row"].to_numpy()] = [sites[code] for code in first["code"]]
    return found


def _conditions(events: pl.DataFrame, subjects: pl.DataFrame, vocabulary: MedsVocabulary) -> FloatArray:
    columns = {code: column for column, code in enumerate(vocabulary.conditions)}
    coded = events.filter(pl.col("code").is_in(list(columns))).join(subjects, on="subject_id")
    y = np.zeros((len(subjects), len(columns)), dtype=np.float32)
    y[coded["row"].to_numpy(), [columns[code] for code in coded["code"]]] = 1.0
    return y


def _rows(events: pl.DataFrame, subjects: pl.DataFrame) -> NDArray[np.int64]:
    return events.join(subjects, on="subject_id")["row"].to_numpy()
