"""The scoreboard's columns, types and limits."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.metrics.scores import METRICS

__all__ = ["LANES", "SCOREBOARD_COLUMNS", "scoreboard_schema", "validate_scoreboard"]

LANES = ("optimisation", "metric", "model", "transfer", "classical", "control", "ensemble")

_UNIQUE = [
    "modality",
    "source",
    "task_family",
    "fold",
    "learner",
    "n_shot",
    "support_size",
    "metric",
    "protocol",
]


def _text(*allowed: str) -> pa.Column:
    return pa.Column(str, pa.Check.isin(allowed) if allowed else None)


def _number(*checks: pa.Check) -> pa.Column:
    return pa.Column(float, list(checks), nullable=True)


def _count(*, least: int = 0, blank: bool = False) -> pa.Column:
    return pa.Column("Int64" if blank else "int64", pa.Check.ge(least), nullable=blank)


scoreboard_schema = pa.DataFrameSchema(
    {
        "modality": _text(),
        "source": _text(),
        "task_family": _text(),
        "fold": _text(),
        "lane": _text(*LANES),
        "learner": _text(),
        "n_way": _count(least=2, blank=True),
        "n_shot": _count(least=1, blank=True),
        "support_size": _count(least=1),
        "metric": _text(*METRICS),
        "value": _number(),
        "ci_low": _number(),
        "ci_high": _number(),
        "diff_to_classical": _number(),
        "diff_low": _number(),
        "diff_high": _number(),
        "p_to_classical": _number(pa.Check.in_range(0, 1)),
        "diff_to_prior": _number(),
        "diff_to_prior_low": _number(),
        "diff_to_prior_high": _number(),
        "p_to_prior": _number(pa.Check.in_range(0, 1)),
        "n_tasks": _count(),
        "n_episodes": _count(),
        "episodes_checksum": _text(),
        "protocol": _text(),
        "selected_on": _text(),
        "seed": pa.Column("int64"),
        "n_seeds": _count(least=1),
        "seed_sd": _number(pa.Check.ge(0)),
        "seconds_meta_fit": _number(pa.Check.ge(0)),
        "seconds_budget": _number(pa.Check.gt(0)),
        "seconds_adapt_per_task": _number(pa.Check.ge(0)),
        "peak_memory_mib": _number(pa.Check.ge(0)),
    },
    strict=True,
    ordered=True,
    coerce=True,
    unique=_UNIQUE,
)
"""What a scoreboard must look like: these columns in this order, one row per learner, cell and metric."""

SCOREBOARD_COLUMNS = tuple(scoreboard_schema.columns)


def validate_scoreboard(scoreboard: pd.DataFrame) -> pd.DataFrame:
    """The scoreboard with its types set (a table read back from CSV has lost them), rows renumbered.

    Raises:
        MedMamlError: columns are missing, further or out of order, or cells are out of range; the message
            names columns, checks and counts only.
    """
    try:
        return scoreboard_schema.validate(scoreboard.reset_index(drop=True), lazy=True)
    except pa.errors.SchemaErrors as error:
        found = "; ".join(f"{what} ({count})" for what, count in _faults(error.failure_cases).items())
        raise MedMamlError(
            f"the scoreboard has not the expected form: {found}; run the evaluation stage again."
        ) from None


def _faults(cases: pd.DataFrame) -> pd.Series:
    """Counts per column and check; of the failing cells only those that are names of columns are told."""
    names_column = cases["check"].astype(str).str.startswith(("column_in", "column_ordered"))
    column = cases["failure_case"].where(names_column, cases["column"])
    column = column.where(column.notna() & (names_column | (cases["schema_context"] == "Column")), "key")
    return (column.astype(str) + ": " + cases["check"].astype(str)).value_counts(sort=False)
