"""The scoreboard as cells: a readable part for the page itself, and every row for the filters.

Cells are formatted here once, in Python; the script on the page only filters, sorts and shows them.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.metrics.scores import LOWER_IS_BETTER
from med_maml_pipeline.reports.board import in_order, largest, primary
from med_maml_pipeline.reports.figures.lines import ALONE
from med_maml_pipeline.reports.wording import (
    estimate,
    family_label,
    learner_label,
    metric_label,
    number,
    quantity,
    support_label,
    whole,
)

__all__ = ["COLUMNS", "BoardTable", "board_table", "embedded_json"]

COLUMNS = {
    "source": "Source",
    "family": "Family",
    "support": "Support",
    "lane": "Lane",
    "learner": "Learner",
    "metric": "Metric",
    "value": "Value [95 % interval]",
    "classical": "Difference to best classical",
    "prior": "Difference to prior",
    "tasks": "Tasks",
    "episodes": "Episodes",
    "fold": "Fold",
    "protocol": "Protocol",
    "modality": "Modality",
    "fit": "Meta-training, s",
    "adapt": "Adaptation, s per task",
    "memory": "Peak memory, MiB",
    "seeds": "SD over seeds",
}
"""Cell name to column title, in order; the last one only where there are several meta-training seeds."""


@dataclass(frozen=True)
class BoardTable:
    """The scoreboard ready for the page.

    Attributes:
        columns: Those of `COLUMNS` that the page has.
        shown: Cells of the primary metrics at the largest support sizes over all folds, of the learners that
            stand for their lanes, by column name.
        embedded: JSON of all rows, for the filters.
        total: Number of rows in all.
    """

    columns: Mapping[str, str]
    shown: tuple[Mapping[Hashable, str], ...]
    embedded: str
    total: int


def board_table(scoreboard: pd.DataFrame) -> BoardTable:
    """Formats the scoreboard.

    Args:
        scoreboard: Scoreboard rows with the column ``leader`` (see `mark_leaders`).
    """
    rows = in_order(scoreboard)
    cells = _cells(rows)
    cells["primary"] = rows.index.isin(primary(rows).index).astype(int)
    cells["largest"] = rows.index.isin(largest(rows).index).astype(int)
    first = rows.index.isin(largest(primary(rows)).index) & rows["leader"]
    shown = tuple(cells[first].to_dict("records"))
    several = bool((scoreboard["n_seeds"] > 1).any())
    columns = {name: title for name, title in COLUMNS.items() if several or name != "seeds"}
    return BoardTable(columns, shown, embedded_json(_columnar(cells)), len(rows))


def embedded_json(content: object) -> str:
    """JSON that can stand inside a script element: no character in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    support = [
        support_label(size, pd.notna(shot), None if pd.isna(ways) else int(ways))
        for size, shot, ways in zip(rows["support_size"], rows["n_shot"], rows["n_way"], strict=True)
    ]
    return pd.DataFrame(
        {
            "modality": rows["modality"].astype(str),
            "source": rows["source"].astype(str),
            "family": list(map(family_label, rows["task_family"], rows["protocol"])),
            "protocol": rows["protocol"].astype(str),
            "fold": rows["fold"].astype(str),
            "support": support,
            "lane": rows["lane"].astype(str),
            "learner": rows["learner"].map(learner_label),
            "metric": rows["metric"].map(metric_label),
            "value": _estimates(rows, "value", "ci_low", "ci_high"),
            "classical": _estimates(rows, "diff_to_classical", "diff_low", "diff_high"),
            "prior": _estimates(rows, "diff_to_prior", "diff_to_prior_low", "diff_to_prior_high"),
            "tasks": rows["n_tasks"].map(whole),
            "episodes": rows["n_episodes"].map(whole),
            "fit": rows["seconds_meta_fit"].map(quantity),
            "adapt": rows["seconds_adapt_per_task"].map(quantity),
            "memory": rows["peak_memory_mib"].map(quantity),
            "seeds": [
                "–" if n == 1 else number(sd) for n, sd in zip(rows["n_seeds"], rows["seed_sd"], strict=True)
            ],
            "stands": rows["leader"].astype(int),
            "leader": (rows["leader"] & ~rows["lane"].isin(ALONE)).astype(int),
            "classical_sign": _signs(rows, "diff_low", "diff_high"),
            "prior_sign": _signs(rows, "diff_to_prior_low", "diff_to_prior_high"),
        }
    )


def _estimates(rows: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    """Text of a value, or of a difference: blank by design (the reference itself) reads as a dash."""
    difference = value != "value"
    texts = []
    for defined, *numbers in zip(rows["value"].notna(), rows[value], rows[low], rows[high], strict=True):
        blank = difference and defined and pd.isna(numbers[0])
        texts.append("–" if blank else estimate(*map(float, numbers), difference=difference))
    return texts


def _signs(rows: pd.DataFrame, low: str, high: str) -> list[str]:
    """``better``, ``worse`` or nothing, by whether the interval of the difference leaves zero out."""
    lower = rows["metric"].isin(LOWER_IS_BETTER)
    above, below = rows[low] > 0, rows[high] < 0
    better = (above & ~lower) | (below & lower)
    worse = (below & ~lower) | (above & lower)
    return ["better" if good else "worse" if bad else "" for good, bad in zip(better, worse, strict=True)]


def _columnar(cells: pd.DataFrame) -> dict[str, dict[str, list[str] | list[int]]]:
    """Each column as levels and codes: most cells repeat."""
    columns: dict[str, dict[str, list[str] | list[int]]] = {}
    for name in cells:
        codes, levels = pd.factorize(cells[name].astype(str))
        columns[str(name)] = {"levels": [str(level) for level in levels], "codes": codes.tolist()}
    return columns
