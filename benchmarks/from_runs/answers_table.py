"""What `stacked` reaches in every family at every support size, with words that count the comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from from_runs.best_table import place
from from_runs.cells import BLANK, difference, markdown, value, with_learners
from med_maml_pipeline.reports.answer_table import UNCOUNTED
from med_maml_pipeline.reports.wording import p_label

__all__ = ["answers_table"]

HEADS = ("Source", "Family", "Support", "Metric", "Stacked", "Selected", "Best classical", "Prior")
DIFFERENCES = ("Stacked − classical", "Stacked − prior")
NOTE = (
    f"{UNCOUNTED} does not count (fewer than 10 test tasks and 200 test episodes, or a protocol with a "
    "waiver): p is its own. Elsewhere p is adjusted by Holm over the families of one support size. "
    "Bold: below .05."
)


def answers_table(rows: pd.DataFrame) -> str:
    """The table of `answer_sides`, with a note below it."""
    table = markdown((*HEADS, *DIFFERENCES), (list(_cells(row)) for row in rows.to_dict("records")))
    return f"{table}\n\n{NOTE}"


def _cells(row: Mapping[Any, Any]) -> Iterator[str]:
    yield from place(row, "" if row["counted"] else f" {UNCOUNTED}")
    yield value(row["value"], row["ci_low"], row["ci_high"])
    for side in ("selected", "classical", "prior"):
        figures = (row[f"{side}_value"], row[f"{side}_ci_low"], row[f"{side}_ci_high"])
        yield with_learners(row["classical"], *figures) if side == "classical" else value(*figures)
    yield _judged(row, "classical", ("diff_to_classical", "diff_low", "diff_high"))
    yield _judged(row, "prior", ("diff_to_prior", "diff_to_prior_low", "diff_to_prior_high"))


def _judged(row: Mapping[Any, Any], name: str, columns: tuple[str, str, str]) -> str:
    word = row[f"to_{name}"]
    if not word:
        return BLANK
    figures = difference(*(row[column] for column in columns), bold=word != "level")
    return f"{figures}<br>{word}, {p_label(row[f'judged_to_{name}'])}".replace("p ", "p\u00a0")
