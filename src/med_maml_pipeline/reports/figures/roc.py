"""ROC curves: how well the scores rank, whatever threshold is chosen later."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.metrics.curves import roc_points
from med_maml_pipeline.reports.figures.curve_panels import curve_figure
from med_maml_pipeline.reports.figures.lines import Line
from med_maml_pipeline.reports.wording import learner_label, plain

__all__ = ["roc_figure"]

TITLE = "ROC curves"
CAPTION = (
    "Averaged over classes, draws and tasks at the largest support size, as the scoreboard's AUROC is. "
    "Queries are ranked by score, never by predicted label. The dotted line is chance."
)


def roc_figure(leading: pd.DataFrame) -> go.Figure:
    """Macro-average ROC curves, one panel per source and family.

    Args:
        leading: Predictions of the leaders (see `leading_predictions`).
    """
    return curve_figure(TITLE, CAPTION, leading, _curve, ("false-positive rate", "true-positive rate"))


def _curve(line: Line) -> go.Scatter:
    points = roc_points(line.rows, by=("lane",))
    points = pd.concat([points.iloc[:1], points.iloc[1::2]])  # the corner, then every second rate
    name = plain(", ".join(sorted(line.rows["learner"].map(learner_label).unique())))
    return go.Scatter(
        x=points["fpr"].round(3).tolist(),
        y=points["tpr"].round(3).tolist(),
        mode="lines",
        line={"color": line.colour, "dash": line.dash, "width": 2},
        hovertemplate=f"{name}<br>false %{{x:.2f}}, true %{{y:.2f}}<extra></extra>",
    )
