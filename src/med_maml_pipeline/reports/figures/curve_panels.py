"""What ROC and reliability figures share: a square panel per source and family, a line per lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.reports.figures.facets import Facet, Facets, absent
from med_maml_pipeline.reports.figures.lines import Line, lines_of
from med_maml_pipeline.reports.wording import source_label, support_label

__all__ = ["curve_figure"]

SIDE_PX = 270
ONE_SEED = " Of several meta-training seeds the first is drawn."
_LINE = ["problem", "fold", "learner"]


def curve_figure(
    title: str,
    caption: str,
    leading: pd.DataFrame,
    trace: Callable[[Line], go.Scatter],
    axes: tuple[str, str],
) -> go.Figure:
    """A figure on the unit square, one panel per source and family.

    Args:
        title / caption: Of the figure.
        leading: Predictions of the leaders (see `leading_predictions`).
        trace: Draws the curve of one line from its predictions (``line.rows``).
        axes: Titles of the x and the y axis.
    """
    first = leading["seed"] == leading.groupby(_LINE)["seed"].transform("min")
    caption += "" if first.all() else ONE_SEED
    panels = list(_panels(leading[first]))
    if not panels:
        return absent(title, "Only tasks with classes have such curves, and this run judged none.")
    facets = Facets(title, caption, [Facet(name, *axes, SIDE_PX, size) for name, size, _ in panels])
    for number, (_, _, rows) in enumerate(panels):
        facets.reference(number, [0, 1], [0, 1])
        for line in lines_of(rows.assign(leader=True)):
            facets.add(number, trace(line), legend=line.label, rank=line.rank)
        for which in "xy":
            facets.axis(
                number, which, range=[-0.02, 1.02], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".2f"
            )
    return facets.finish()


def _panels(leading: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for (source, family, protocol), rows in leading.groupby(["source", "family", "protocol"], sort=True):
        ways = rows["n_way"].unique()
        n_way = int(ways[0]) if len(ways) == 1 else None
        size = support_label(rows["support_size"].max(), bool(rows["n_shot"].notna().any()), n_way)
        yield source_label(str(source), str(family), str(protocol)), size, rows
