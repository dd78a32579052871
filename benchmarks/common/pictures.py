"""The look of the benchmarks' pictures: colours that colour-blind readers tell apart (Okabe & Ito 2008)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Literal

__all__ = ["COLOURS", "MARKERS", "logarithmic", "mosaic", "panels", "write_picture"]

COLOURS = {
    "ours": "#0072B2",
    "ours, native": "#0072B2",
    "ours, PyTorch": "#56B4E9",
    "ours, chunks of 4": "#56B4E9",
    "checkpointed": "#CC79A7",
    "plain loop": "#E69F00",
    "TorchOpt": "#009E73",
    "higher": "#D55E00",
    "finite differences": "#555555",
}
MARKERS = {
    "ours": "o",
    "ours, native": "o",
    "ours, PyTorch": "s",
    "ours, chunks of 4": "s",
    "checkpointed": "D",
    "plain loop": "^",
    "TorchOpt": "v",
    "higher": "P",
    "finite differences": "X",
}


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure and its axes as an array ``[rows, columns]``; sizes in inches."""
    return _pyplot().subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")


def mosaic(
    layout: Sequence[Sequence[str]], width: float, height: float, width_ratios: Sequence[float]
) -> tuple[Any, dict[str, Any]]:
    """A figure and its axes by name, where a name that repeats spans its places; sizes in inches."""
    return _pyplot().subplot_mosaic(
        layout, figsize=(width, height), width_ratios=width_ratios, layout="constrained"
    )


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e6e6e6",
            "axes.axisbelow": True,
            "legend.frameon": False,
        }
    )
    return pyplot


def logarithmic(axis: Any, which: Literal["x", "y"] = "y") -> None:
    """Makes one axis logarithmic, with plain numbers at 1, 2, 5, 10, …"""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    (axis.set_xscale if which == "x" else axis.set_yscale)("log")
    scale = axis.xaxis if which == "x" else axis.yaxis
    scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.set_major_formatter(StrMethodFormatter("{x:g}"))
    scale.set_minor_formatter(NullFormatter())


def write_picture(figure: Any, name: str, chosen: argparse.Namespace) -> None:
    """Saves the figure as a PNG of about 1,400 pixels' width and closes it."""
    from matplotlib import pyplot

    chosen.images.mkdir(parents=True, exist_ok=True)
    figure.savefig(chosen.images / f"{name}.png", dpi=150, metadata={"Software": None})
    pyplot.close(figure)
