"""What a user takes home: the stacked answer against the best classical learner and the prior."""

from __future__ import annotations

from math import isnan

import pandas as pd

from med_maml_pipeline.metrics.answers import LEVEL
from med_maml_pipeline.reports.tables import Table
from med_maml_pipeline.reports.wording import (
    estimate,
    family_label,
    learner_label,
    metric_label,
    number,
    p_label,
    support_label,
)

__all__ = ["UNCOUNTED", "answer_paragraph", "answer_table"]

UNCOUNTED = "†"
"""Mark of a family that does not count."""

CAPTION = (
    f"Stacked against the references, paired on the same episodes (95 % intervals; p adjusted by Holm over "
    f"the families of one support size, level {LEVEL:g}). {UNCOUNTED} fewer than 10 test tasks and 200 test "
    "episodes, or a protocol with a waiver: judged by its own p, adjusted for nothing."
)
HEADER = (
    "Source, family",
    "Support, metric",
    "Stacked",
    "Selected",
    "Best classical",
    "Zero-shot prior",
    "Stacked − classical",
    "Stacked − prior",
)
NOTHING = "This run combined no lanes, so there is no answer of all of them: run the pipeline 'ensembles'."
_MARKS = {"better": "▲ ", "worse": "▼ "}
_REFERENCES = {"classical": "the best classical learner", "prior": "the zero-shot prior"}


def answer_paragraph(rows: pd.DataFrame) -> str:
    """How often the answer is better than, level with and worse than each reference, where it counts.

    Args:
        rows: See `answer_sides`.
    """
    if rows.empty:
        return NOTHING
    counted = rows[rows["counted"]]
    told = [sentence for name, label in _REFERENCES.items() if (sentence := _against(counted, name, label))]
    tally = " ".join(told) or "No family has enough test tasks or episodes to count."
    left = len(rows) - len(counted)
    apart = f" {left} of {len(rows)} rows below do not count ({UNCOUNTED})." if left else ""
    return (
        "What a user takes home is Stacked: the predictions of all learners, added up with weights that "
        f"validation tasks taught. {tally}{apart} Selected is the one learner that validation tasks chose."
    )


def answer_table(rows: pd.DataFrame) -> Table:
    """Primary metrics of every family at every support size.

    Args:
        rows: See `answer_sides`.
    """
    return Table(
        caption=CAPTION,
        header=HEADER,
        rows=tuple(_row(row) for _, row in rows.iterrows()),
        numeric=frozenset({2, 3, 5, 6, 7}),
        empty="No row to show.",
    )


def _against(counted: pd.DataFrame, name: str, label: str) -> str:
    words = counted.loc[counted[f"to_{name}"] != "", f"to_{name}"]
    if words.empty:
        return ""
    numbers = ", ".join(f"{word} in {(words == word).sum()}" for word in ("better", "level", "worse"))
    return f"Against {label}, over {len(words)} families and support sizes: {numbers}."


def _row(row: pd.Series) -> tuple[str, ...]:
    ways = None if pd.isna(row["n_way"]) else int(row["n_way"])
    mark = "" if row["counted"] else f" {UNCOUNTED}"
    classical = row["classical"]
    names = ", ".join(map(learner_label, classical.split(", "))) if isinstance(classical, str) else ""
    size = support_label(row["support_size"], bool(pd.notna(row["n_shot"])), ways)
    return (
        f"{row['source']}\n{family_label(row['task_family'], row['protocol'])}{mark}",
        f"{size}\n{metric_label(row['metric'])}",
        _value(row, ""),
        _value(row, "selected_"),
        f"{names}\n{_value(row, 'classical_')}" if names else "–",
        _value(row, "prior_"),
        _difference(row, "classical", ("diff_to_classical", "diff_low", "diff_high")),
        _difference(row, "prior", ("diff_to_prior", "diff_to_prior_low", "diff_to_prior_high")),
    )


def _value(row: pd.Series, side: str) -> str:
    value, low, high = (float(row[f"{side}{name}"]) for name in ("value", "ci_low", "ci_high"))
    if isnan(value):
        return number(value) if side == "" else "–"
    text = estimate(value, low, high)
    return text if side == "classical_" else text.replace(" [", "\n[")


def _difference(row: pd.Series, name: str, columns: tuple[str, str, str]) -> str:
    word = str(row[f"to_{name}"])
    if not word:
        return "–"
    p_value = float(row[f"judged_to_{name}"])
    figures = estimate(*(float(row[column]) for column in columns), difference=True)
    return f"{_MARKS.get(word, '')}{word}, {p_label(p_value)}\n{figures}"
