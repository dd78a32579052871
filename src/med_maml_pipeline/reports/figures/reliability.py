"""Reliability diagram: does a stated 30 % come true three times in ten?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.metrics.calibration import reliability_bins
from med_maml_pipeline.reports.figures.curve_panels import curve_figure
from med_maml_pipeline.reports.figures.lines import Line
from med_maml_pipeline.reports.wording import learner_label, plain

__all__ = ["reliability_figure"]

TITLE = "Calibration"
CAPTION = (
    "Stated probability against observed frequency, pooled over episodes at the largest support size. On the "
    "dotted line a stated 30 % comes true 30 % of the time. Dots grow with the number of queries behind them."
)

N_BINS = 10  # coarser than the calibration error's: a curve of sparse bins shows mostly noise


def reliability_figure(leading: pd.DataFrame) -> go.Figure:
    """Reliability curves, one panel per source and family.

    Args:
        leading: Predictions of the leaders (see `leading_predictions`).
    """
    return curve_figure(TITLE, CAPTION, leading, _curve, ("stated probability", "observed frequency"))


def _curve(line: Line) -> go.Scatter:
    bins = reliability_bins(line.rows, by=("lane",), n_bins=N_BINS)
    share = np.sqrt(bins["count"] / bins["count"].sum())
    name = plain(", ".join(sorted(line.rows["learner"].map(learner_label).unique())))
    return go.Scatter(
        x=bins["stated"].round(3).tolist(),
        y=bins["observed"].round(3).tolist(),
        mode="lines+markers",
        line={"color": line.colour, "dash": line.dash, "width": 1.5},
        marker={"color": line.colour, "symbol": line.symbol, "size": (4 + 10 * share).round(1).tolist()},
        customdata=bins["count"].tolist(),
        hovertemplate=(
            f"{name}<br>stated %{{x:.2f}}, observed %{{y:.2f}}, %{{customdata}} queries<extra></extra>"
        ),
    )
