"""One look for all figures: a fixed colour and marker per lane, one font, light grid."""

from __future__ import annotations

import plotly.graph_objects as go

__all__ = [
    "DASHES",
    "FONT",
    "LANE_COLOURS",
    "LANE_SYMBOLS",
    "NEUTRAL",
    "TEMPLATE",
    "lane_colour",
    "lane_look",
    "lane_rank",
    "translucent",
]

LANE_COLOURS: dict[str, str] = {
    "optimisation": "#0072B2",
    "metric": "#009E73",
    "model": "#CC79A7",
    "transfer": "#E69F00",
    "classical": "#D55E00",
    "control": "#7A7A7A",
    "ensemble": "#56B4E9",
}
"""Lane to colour, in the order of every legend. The palette of Okabe and Ito (2008), which readers with
colour-blindness can tell apart; without its black and yellow, which vanish on one of the two backgrounds."""

LANE_SYMBOLS: dict[str, str] = {
    "optimisation": "circle",
    "metric": "square",
    "model": "diamond",
    "transfer": "triangle-up",
    "classical": "x",
    "control": "cross",
    "ensemble": "star",
}
"""Lane to marker: colour is never the only cue."""

DASHES: tuple[str, ...] = ("solid", "dash", "dot", "dashdot")
"""Line styles of the learners within a lane, in order; see `lane_look` for more than there are of these."""

_TINTS = (0.0, -0.35, 0.4)
"""How far the colour of a lane goes to black or white where its learners are more than the line styles."""

NEUTRAL = "#7A7A7A"
"""Reference lines (chance, zero, perfect calibration)."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
"""Fonts that are on the reader's machine: nothing is loaded."""

_AXIS = {
    "gridcolor": "rgba(127,127,127,0.22)",
    "linecolor": "rgba(127,127,127,0.6)",
    "zeroline": False,
    "showline": True,
    "ticks": "outside",
    "ticklen": 4,
    "tickfont": {"size": 11},
    "title": {"font": {"size": 12}, "standoff": 6},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 12, "color": "#24292f"},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "colorway": list(LANE_COLOURS.values()),
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "namelength": -1},
        "title": {"font": {"size": 15}, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 12}},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)
"""Small on purpose: it travels inside the JSON of every figure."""


def lane_colour(lane: str) -> str:
    """Colour of a lane; grey for a lane this module does not know."""
    return LANE_COLOURS.get(lane, NEUTRAL)


def lane_look(lane: str, place: int) -> tuple[str, str]:
    """Colour and line style of the learner at a place within its lane: twelve can be told apart."""
    tint = _TINTS[place // len(DASHES) % len(_TINTS)]
    colour = lane_colour(lane)
    end = 0 if tint < 0 else 255
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    mixed = (round(channel + abs(tint) * (end - channel)) for channel in channels)
    return "#" + "".join(f"{channel:02X}" for channel in mixed), DASHES[place % len(DASHES)]


def lane_rank(lane: str) -> int:
    """Place of a lane in legends and tables; unknown lanes come last."""
    order = list(LANE_COLOURS)
    return order.index(lane) if lane in order else len(order)


def translucent(colour: str, alpha: float = 0.1) -> str:
    """``#rrggbb`` as ``rgba(…)``, for interval bands."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
