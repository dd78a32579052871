"""Metric against support size, one line per lane: what a few more labelled examples are worth."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.reports.board import Group, groups, primary
from med_maml_pipeline.reports.figures.facets import Facet, Facets, absent
from med_maml_pipeline.reports.figures.lines import Line, lines_of
from med_maml_pipeline.reports.style import translucent
from med_maml_pipeline.reports.wording import estimate, metric_label, plain

__all__ = ["support_figure"]

TITLE = "What more labelled examples are worth"
CAPTION = (
    "One line per lane: its learner chosen on validation tasks; controls each have their own. "
    "Bands are 95 % bootstrap intervals over tasks and supports; the dotted line is blind guessing. "
    "A lane that adapts well rises faster than the flat zero-shot prior."
)


def support_figure(scoreboard: pd.DataFrame) -> go.Figure:
    """Primary metric against support size, one panel per source and family.

    Args:
        scoreboard: Scoreboard rows with the column ``leader`` (see `mark_leaders`).

    Returns:
        The figure. Where the scoreboard has no primary metric it says so.
    """
    panels = list(groups(primary(scoreboard)))
    if not panels:
        return absent(TITLE, "The scoreboard has no row of a primary metric.")
    facets = Facets(
        TITLE,
        CAPTION,
        [
            Facet(
                title=panel.label,
                x_title="support, examples per class" if panel.per_class else "support, examples in all",
                y_title=metric_label(panel.metric),
            )
            for panel in panels
        ],
    )
    for number, panel in enumerate(panels):
        _fill(facets, number, panel)
    return facets.finish()


def _fill(facets: Facets, number: int, panel: Group) -> None:
    sizes = sorted(panel.rows["support_size"].unique())
    if panel.chance is not None:
        ends = [sizes[0], sizes[-1]] if len(sizes) > 1 else [0.8 * sizes[0], 1.25 * sizes[0]]
        facets.reference(number, ends, [panel.chance] * 2)
    for line in lines_of(panel.rows):
        facets.add(number, _band(line), legend=line.label, swatch=False)
        facets.add(number, _curve(line), legend=line.label, rank=line.rank)
    facets.axis(
        number,
        "x",
        type="log" if sizes[0] > 0 else "linear",
        tickvals=[int(size) for size in sizes],
        ticktext=[f"{size:g}" for size in sizes],
    )
    facets.axis(number, "y", tickformat=".2f", nticks=6)


def _band(line: Line) -> go.Scatter:
    rows = line.rows.dropna(subset=["ci_low", "ci_high"])
    sizes = rows["support_size"].tolist()
    low, high = rows["ci_low"].round(4).tolist(), rows["ci_high"].round(4).tolist()
    return go.Scatter(
        x=sizes + sizes[::-1],
        y=high + low[::-1],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=translucent(line.colour),
        hoverinfo="skip",
    )


def _curve(line: Line) -> go.Scatter:
    rows = line.rows
    texts = [
        f"{plain(learner)}: {estimate(value, low, high)}"
        for learner, value, low, high in zip(
            rows["learner_label"], rows["value"], rows["ci_low"], rows["ci_high"], strict=True
        )
    ]
    return go.Scatter(
        x=rows["support_size"].tolist(),
        y=[None if pd.isna(value) else round(value, 4) for value in rows["value"]],
        mode="lines+markers",
        line={"color": line.colour, "dash": line.dash, "width": 2},
        marker={"color": line.colour, "symbol": line.symbol, "size": 7},
        text=texts,
        hovertemplate="%{x} examples<br>%{text}<extra></extra>",
    )
