"""Which lines a panel shows, and how each looks: one per lane, and one per control and ensemble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.reports.style import LANE_SYMBOLS, lane_look, lane_rank
from med_maml_pipeline.reports.wording import learner_label

__all__ = ["ALONE", "Line", "lines_of"]

ALONE = ("control", "ensemble")
"""Lanes in which every learner stands for itself."""

_DASHES = {
    "stacked": "solid",
    "selected": "dash",
    "chosen_ours": "dot",
    "prior": "dash",
    "untrained": "dot",
    "forest_on_features": "dashdot",
}
_SYMBOLS = {"selected": "star-open", "chosen_ours": "star-diamond", "untrained": "cross-open"}
"""Looks of those that stand for themselves: the same in every panel, whoever else is there."""


@dataclass(frozen=True)
class Line:
    """One line of a panel.

    Attributes:
        label: Legend entry: a lane, or a learner where each stands for itself.
        lane: Lane.
        colour: The lane's colour, or a tint of it.
        symbol: The lane's marker; ensembles and controls have variants of it.
        dash: Line style; learners of one lane differ by it.
        rank: Place in the legend.
        rows: The rows of the line, with ``learner_label``, ascending in support size.
    """

    label: str
    lane: str
    colour: str
    symbol: str
    dash: str
    rank: int
    rows: pd.DataFrame


def lines_of(rows: pd.DataFrame) -> Iterator[Line]:
    """Splits rows of one panel into lines.

    Args:
        rows: Rows with ``lane``, ``learner``, ``support_size`` and ``leader`` (True for the learner that
            stands for its lane; always True for controls and ensembles).

    Yields:
        Lines in the order of the legend.
    """
    shown = rows[rows["leader"]].copy()
    shown["learner_label"] = shown["learner"].map(learner_label)
    shown = shown.sort_values("support_size", kind="stable")
    for lane in sorted(shown["lane"].unique(), key=lane_rank):
        of_lane = shown[shown["lane"] == lane]
        alone = lane in ALONE or _undecided(of_lane)
        parts = of_lane.groupby("learner", sort=True) if alone else [(lane, of_lane)]
        for place, (name, part) in enumerate(parts):
            colour, dash = lane_look(lane, place)
            yield Line(
                label=learner_label(str(name)) if alone else str(lane),
                lane=lane,
                colour=colour,
                symbol=_SYMBOLS.get(str(name), LANE_SYMBOLS.get(lane, "circle-open")),
                dash=_DASHES.get(str(name), dash),
                rank=10 * lane_rank(lane) + place,
                rows=part,
            )


def _undecided(rows: pd.DataFrame) -> bool:
    """Whether several learners lead the lane at one size: joined into one line they would zigzag."""
    return bool((rows.groupby("support_size")["learner"].nunique() > 1).any())
