"""Two versions of the scoreboard side by side, for the terminal."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from med_maml_pipeline.metrics.scores import LOWER_IS_BETTER
from med_maml_pipeline.reports.board import KEYS, in_order, primary
from med_maml_pipeline.reports.wording import (
    learner_label,
    metric_label,
    number,
    signed,
    source_label,
    support_label,
)

__all__ = ["compare_versions", "version_table"]

_CELL = [*KEYS, "n_way", "n_shot", "support_size", "fold", "learner", "lane"]


def compare_versions(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Matches the rows of two scoreboards.

    Args:
        first: A scoreboard.
        second: Another, of the same project.

    Returns:
        A row per cell and learner of either, primary metrics over all folds: the cell's columns, ``first``
        and ``second`` (values; NaN where there is none), ``difference`` (second minus first) and
        ``episodes``: ``same``, ``other``, or ``only first`` / ``only second``.
    """
    columns = [*_CELL, "value", "episodes_checksum"]
    one, two = (primary(board)[columns] for board in (first, second))
    both = one.merge(two, on=_CELL, how="outer", suffixes=("_first", "_second"), indicator=True)
    same = both["episodes_checksum_first"] == both["episodes_checksum_second"]
    episodes = both["_merge"].map({"left_only": "only first", "right_only": "only second", "both": "other"})
    both["episodes"] = episodes.astype(str).mask(same, "same")
    both = both.rename(columns={"value_first": "first", "value_second": "second"})
    both["difference"] = both["second"] - both["first"]
    return in_order(both)[[*_CELL, "first", "second", "difference", "episodes"]]


def version_table(compared: pd.DataFrame, first: str, second: str) -> Table:
    """The comparison as a table that fits 120 columns.

    Args:
        compared: From `compare_versions`.
        first: Name of the first version.
        second: Name of the second.
    """
    other = int((compared["episodes"] == "other").sum())
    table = Table(
        title=f"Primary metrics: {first} → {second}",
        caption=_caption(other),
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in ("source · family", "support", "metric", "learner"):
        table.add_column(name, overflow="fold")
    for name in ("first", "second", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("episodes", no_wrap=True)
    place: list[str] = []
    for row in compared.to_dict("records"):
        ways = None if pd.isna(row["n_way"]) else int(row["n_way"])
        heads = [
            source_label(row["source"], row["task_family"], row["protocol"]),
            support_label(row["support_size"], pd.notna(row["n_shot"]), ways),
            metric_label(row["metric"]),
        ]
        if heads != place and place:
            table.add_section()
        shown, place = (["", "", ""] if heads == place else heads), heads
        table.add_row(*shown, learner_label(row["learner"]), *_cells(row))
    return table


def _cells(row: Mapping[Hashable, Any]) -> tuple[str | Text, ...]:
    difference = Text(signed(row["difference"]) if pd.notna(row["difference"]) else "–")
    if row["episodes"] == "other":
        difference.stylize("dim")
    elif row["difference"]:
        better = (row["difference"] > 0) != (row["metric"] in LOWER_IS_BETTER)
        difference.stylize("green" if better else "red")
    values = (number(row[name]) if pd.notna(row[name]) else "–" for name in ("first", "second"))
    return *values, difference, Text(row["episodes"], style="" if row["episodes"] == "same" else "yellow")


def _caption(other: int) -> str:
    if not other:
        return "Rows with the same episodes are comparable episode by episode. Research use only."
    return (
        f"{other} rows were judged on other episodes: those are not comparable pairwise, their difference "
        "mixes learners and draws. Research use only."
    )
