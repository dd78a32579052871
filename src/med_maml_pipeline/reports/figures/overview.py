"""The verdict at a glance: each lane's value, and its paired difference to the best classical learner."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.metrics.primary import PRIMARY_METRICS
from med_maml_pipeline.reports.board import Group, groups, largest, primary
from med_maml_pipeline.reports.figures.facets import Facet, Facets, absent
from med_maml_pipeline.reports.figures.lines import lines_of
from med_maml_pipeline.reports.wording import difference_label, estimate, metric_label, plain

__all__ = ["overview_figure"]

TITLE = "Every lane at the largest support size"
CAPTION = (
    "Left: the value of each lane's learner (chosen on validation tasks); the dotted line is blind guessing. "
    "Right: its difference to the best classical learner on the same episodes; right of the dotted line is "
    "better, and an interval that touches the line shows no difference. Bars are 95 % bootstrap intervals "
    "over tasks and supports."
)
STEP_PX = 13  # between two lanes of one source
LEFT_PX = 140
CHARACTERS = 20  # of a tick label in that room

_VALUE = ("value", "ci_low", "ci_high")
_DIFFERENCE = ("diff_to_classical", "diff_low", "diff_high")


def overview_figure(scoreboard: pd.DataFrame) -> go.Figure:
    """Values and paired differences of all lanes, one row per source and family.

    Args:
        scoreboard: Scoreboard rows with the column ``leader`` (see `mark_leaders`).

    Returns:
        The figure: two panels (value, difference) per primary metric.
    """
    panels = list(groups(largest(primary(scoreboard))))
    by_metric = {
        metric: rows
        for metric in PRIMARY_METRICS
        if (rows := [panel for panel in panels if panel.metric == metric])
    }
    if not by_metric:
        return absent(TITLE, "The scoreboard has no row of a primary metric.")
    frames = []
    for metric, rows in by_metric.items():
        height = STEP_PX * sum(len(list(lines_of(row.rows))) + 2 for row in rows)
        name = metric_label(metric)
        frames.append(Facet(name, name, "", height, "value"))
        note = "difference to best classical"
        frames.append(Facet(name, difference_label(metric), "", height, note))
    facets = Facets(TITLE, CAPTION, frames, columns=2, left=LEFT_PX)
    for number, rows in enumerate(by_metric.values()):
        _fill(facets, 2 * number, rows)
    return facets.finish()


def _fill(facets: Facets, first: int, panels: Sequence[Group]) -> None:
    place = 0.0
    ticks: list[float] = []
    for panel in panels:
        lines = list(lines_of(panel.rows))
        ticks.append(place + (len(lines) - 1) / 2)
        if panel.chance is not None:
            facets.reference(first, [panel.chance] * 2, [place - 1.5, place + len(lines) + 0.5])
        for step, line in enumerate(lines):
            row = line.rows.iloc[0]
            for offset, columns in enumerate((_VALUE, _DIFFERENCE)):
                trace = _dot(row, columns, place + step)
                trace.marker = {"color": line.colour, "symbol": line.symbol, "size": 8}
                facets.add(first + offset, trace, legend=line.label, rank=line.rank)
        place += len(lines) + 2
    labels = [
        "<br>".join(
            plain(line)
            for text in (panel.source, panel.family_label, panel.support_label)
            for line in textwrap.wrap(text, CHARACTERS)
        )
        for panel in panels
    ]
    span = [-1.5, place - 0.5]
    for offset in (0, 1):
        facets.axis(first + offset, "y", tickvals=ticks, ticktext=labels, range=span[::-1])
        facets.axis(first + offset, "x", tickformat=".2f", nticks=6, tickangle=0)
    facets.reference(first + 1, [0, 0], span)


def _dot(row: pd.Series, columns: tuple[str, str, str], place: float) -> go.Scatter:
    value, low, high = (float(row[column]) for column in columns)
    known = not pd.isna(value)
    bars = {}
    if known and not (pd.isna(low) or pd.isna(high)):
        spread = {"array": [round(high - value, 4)], "arrayminus": [round(value - low, 4)]}
        bars = {"error_x": {"type": "data", "symmetric": False, "width": 0, "thickness": 1.5, **spread}}
    text = estimate(value, low, high, difference=columns is _DIFFERENCE)
    return go.Scatter(
        x=[round(value, 4) if known else None],
        y=[place],
        mode="markers",
        text=[f"{plain(str(row['learner_label']))}: {text}"],
        hovertemplate="%{text}<extra></extra>",
        **bars,
    )
