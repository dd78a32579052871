"""Small multiples on one plotly figure, laid out so that a page can re-flow them to its width.

The rule is written down in ``layout.meta.facets``: each facet asks for a height in pixels; facets fill
rows from the left; a row is as high as its highest facet. ``report.js`` follows the same rule with fewer
columns on a narrow screen. A facet with an ``aspect`` is no higher than that share of its width.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from med_maml_pipeline.reports.style import NEUTRAL, TEMPLATE
from med_maml_pipeline.reports.wording import plain

__all__ = ["Facet", "Facets", "absent"]

LINE_PX = 15  # of a facet's title and note above its frame
FOOT_PX = 52  # ticks and axis title below it
GAP_PX = 66  # tick labels and axis title left of it
TOP_PX = 96  # the figure's title and legend
WIDTH_PX = 1060  # of the page column, and what Kedro-Viz shows
CHARACTERS = 38  # of a facet's title that starts at its frame
WIDE_CHARACTERS = 48  # where it starts above the tick labels


@dataclass(frozen=True)
class Facet:
    """One panel.

    Attributes:
        title: Shown above the panel.
        note: Below the title, in lighter print; ``\n`` starts a line.
        x_title: Title of its x axis, with the unit.
        y_title: Title of its y axis, with the unit.
        height: Height of the frame in pixels.
        aspect: Height over width of what is drawn, where it must not be stretched.
    """

    title: str
    x_title: str
    y_title: str
    height: int = 220
    note: str = ""
    aspect: float | None = None


class Facets:
    """A figure of panels; add traces by panel number, then call `finish`.

    Args:
        title: Title of the figure.
        caption: How to read it, in one or two sentences; the report prints it below the figure.
        facets: The panels, in reading order. At least one.
        columns: Panels per row on a wide screen.
        left: Pixels to keep left of each panel (longer tick labels need more).
    """

    def __init__(
        self, title: str, caption: str, facets: Sequence[Facet], *, columns: int = 3, left: int = GAP_PX
    ) -> None:
        self.figure = go.Figure()
        self._title = title
        self._caption = caption
        self._facets = tuple(facets)
        self._columns = max(1, min(columns, len(self._facets)))
        self._left = left
        self._heads = [self._head(facet) for facet in self._facets]
        self._head_px = LINE_PX * max(2, *(head.count("<br>") + 1 for head in self._heads)) + 16
        self._named: set[str] = set()

    def add(
        self,
        facet: int,
        trace: go.Scatter | go.Heatmap,
        *,
        legend: str | None = None,
        swatch: bool = True,
        rank: int = 1000,
    ) -> None:
        """Adds a trace to a panel.

        Args:
            facet: Panel number.
            trace: The trace; its axes are set here.
            legend: Legend entry. All traces of one entry are switched together, and it is shown once.
            swatch: Whether this trace may stand for the entry in the legend (a band should not).
            rank: Place in the legend.
        """
        trace.xaxis, trace.yaxis = (f"{axis}{facet + 1}" if facet else axis for axis in "xy")
        trace.showlegend = swatch and legend is not None and legend not in self._named
        if legend is not None:
            trace.name = trace.legendgroup = legend
            trace.legendrank = rank
        if trace.showlegend:
            self._named.add(str(legend))
        self.figure.add_trace(trace)

    def reference(self, facet: int, x: Sequence[float], y: Sequence[float]) -> None:
        """Adds a dotted line that means "no better than chance" or "no difference"."""
        line = {"color": NEUTRAL, "width": 1, "dash": "dot"}
        self.add(facet, go.Scatter(x=list(x), y=list(y), mode="lines", line=line, hoverinfo="skip"))

    def picture(self, facet: int, source: str, box: tuple[float, float, float, float]) -> None:
        """Lays a picture under the traces of a panel.

        Args:
            facet: Panel number.
            source: A ``data:`` address: the page opens no other.
            box: Left, top, width and height on the panel's axes.
        """
        suffix = str(facet + 1) if facet else ""
        left, top, width, height = box
        self.figure.add_layout_image(
            source=source, xref=f"x{suffix}", yref=f"y{suffix}", x=left, y=top, sizex=width, sizey=height,
            xanchor="left", yanchor="top", sizing="stretch", layer="below",
        )  # fmt: skip

    def axis(self, facet: int, which: str, **settings: object) -> None:
        """Changes the ``x`` or ``y`` axis of a panel."""
        suffix = str(facet + 1) if facet else ""
        self.figure.update_layout({f"{which}axis{suffix}": settings})

    def finish(self) -> go.Figure:
        """Sets domains, titles and legend, and returns the figure."""
        total = self._place()
        self.figure.update_layout(
            template=TEMPLATE,
            title={"text": self._title, "y": 1, "yanchor": "top", "yref": "container", "pad": {"t": 14}},
            height=total + TOP_PX,
            margin={"l": 4, "r": 8, "t": TOP_PX, "b": 4},
            legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"},
            meta={
                "caption": self._caption,
                "facets": [facet.height for facet in self._facets],
                "columns": self._columns,
                "aspects": [facet.aspect for facet in self._facets],
                "title": self._head_px,
                "foot": FOOT_PX,
                "left": self._left,
            },
        )
        return self.figure

    def _place(self) -> int:
        """Gives each panel its part of the figure; returns the height of all rows in pixels."""
        rows = [self._facets[i : i + self._columns] for i in range(0, len(self._facets), self._columns)]
        heights = [max(facet.height for facet in row) + self._head_px + FOOT_PX for row in rows]
        total = sum(heights)
        for number, facet in enumerate(self._facets):
            row, column = divmod(number, self._columns)
            top = total - sum(heights[:row]) - self._head_px
            left = (column + self._left / (WIDTH_PX / self._columns)) / self._columns
            suffix = str(number + 1) if number else ""
            x_axis = {"domain": [left, (column + 0.98) / self._columns], "anchor": f"y{suffix}"}
            y_axis = {"domain": [(top - facet.height) / total, top / total], "anchor": f"x{suffix}"}
            self.axis(number, "x", **x_axis, title={"text": facet.x_title})
            self.axis(number, "y", **y_axis, title={"text": facet.y_title})
            self._panel_title(suffix, self._heads[number])
        return total

    def _head(self, facet: Facet) -> str:
        """Title and note, broken into lines that fit a panel on a phone, or beside two others."""
        most = WIDE_CHARACTERS if self._left > GAP_PX else CHARACTERS
        title = textwrap.wrap(facet.title, most)
        note = [line for part in facet.note.split("\n") for line in textwrap.wrap(part, most)]
        return "<br>".join([*(f"<b>{plain(line)}</b>" for line in title), *map(plain, note)])

    def _panel_title(self, suffix: str, head: str) -> None:
        self.figure.add_annotation(
            text=head,
            xref=f"x{suffix} domain",
            yref=f"y{suffix} domain",
            x=0,
            y=1,
            xanchor="left",
            yanchor="bottom",
            align="left",
            xshift=8 - self._left if self._left > GAP_PX else 0,  # long tick labels leave room for it
            showarrow=False,
            font={"size": 12},
        )


def absent(title: str, reason: str) -> go.Figure:
    """A figure that says why there is nothing to draw: a blank frame would look like a fault."""
    figure = go.Figure()
    figure.add_annotation(text=reason, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    figure.update_layout(
        template=TEMPLATE,
        title={"text": title},
        height=160,
        xaxis={"visible": False, "title": {"text": ""}},
        yaxis={"visible": False, "title": {"text": ""}},
        meta={"caption": reason},
    )
    return figure
