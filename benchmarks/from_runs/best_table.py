"""Ours and the classical learner that validation tasks chose, the prior, and the paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from from_runs.cells import difference, markdown, value, with_learners
from med_maml_pipeline.reports.wording import family_label, metric_label, support_label

__all__ = ["best_table", "place"]

HEADS = ("Source", "Family", "Support", "Metric", "Best of ours", "Best classical", "Prior")
DIFFERENCES = ("Ours − classical", "Ours − prior")


def best_table(rows: pd.DataFrame) -> str:
    """The table of `best_of_ours`. A difference whose interval leaves out zero is set in bold."""
    return markdown((*HEADS, *DIFFERENCES), (list(_cells(row)) for row in rows.to_dict("records")))


def place(row: Mapping[Any, Any], mark: str = "") -> tuple[str, str, str, str]:
    """Source, family, support and metric of a row."""
    ways = None if pd.isna(row["n_way"]) else int(row["n_way"])
    return (
        row["source"],
        family_label(row["task_family"], row["protocol"]) + mark,
        support_label(row["support_size"], pd.notna(row["n_shot"]), ways),
        metric_label(row["metric"]),
    )


def _cells(row: Mapping[Any, Any]) -> Iterator[str]:
    yield from place(row)
    yield with_learners(row["ours"], row["value"], row["ci_low"], row["ci_high"])
    yield with_learners(row["classical"], *_side(row, "classical"))
    yield value(*_side(row, "prior"))
    for columns in (
        ("diff_to_classical", "diff_low", "diff_high"),
        ("diff_to_prior", "diff_to_prior_low", "diff_to_prior_high"),
    ):
        mean, low, high = (row[name] for name in columns)
        yield difference(mean, low, high, bold=low > 0 or high < 0)


def _side(row: Mapping[Any, Any], side: str) -> tuple[float, float, float]:
    return row[f"{side}_value"], row[f"{side}_ci_low"], row[f"{side}_ci_high"]
