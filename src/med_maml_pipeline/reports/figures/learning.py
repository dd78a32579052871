"""Learning curves of meta-training: did it converge, and did the folds and seeds agree?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.reports.board import need
from med_maml_pipeline.reports.figures.facets import Facet, Facets, absent
from med_maml_pipeline.reports.style import lane_look, lane_rank, translucent
from med_maml_pipeline.reports.wording import learner_label, plain

__all__ = ["learning_figure"]

TITLE = "Learning curves of meta-training"
CAPTION = (
    "Query loss on meta-training tasks at each logged step, mean over folds, and, where training looked at "
    "validation episodes, their mean selection metric; bands span the folds. Dots mark the steps whose "
    "parameters were kept. Losses of different learners need not share a scale. Learners without "
    "meta-training have no curve."
)
SEEDS = " There were several meta-training seeds: means and bands are over folds and seeds."
POINTS = 80  # per curve: more would only make the file larger
_COLUMNS = ("problem", "fold", "learner", "seed", "step", "loss", "validation", "kept")
_AXES = {"loss": "loss, nats or squared units", "validation": "validation AUROC or R²"}


def learning_figure(history: pd.DataFrame, lanes: dict[str, str]) -> go.Figure:
    """Loss, and validation metric where there is any, against meta-training step; panels per problem.

    Args:
        history: ``problem, fold, learner, seed, step, loss, validation, kept`` of all lanes.
        lanes: Learner to lane.

    Returns:
        The figure. Where nothing was meta-trained it says so.
    """
    if len(history):
        need(history, _COLUMNS, "history")
    curves = history.dropna(subset=["loss"]) if len(history) else history
    if curves.empty:
        return absent(TITLE, "No learner of this run logged a learning curve.")
    panels = [
        (problem, column)
        for problem in sorted(curves["problem"].unique())
        for column in _AXES
        if curves.loc[curves["problem"] == problem, column].notna().any()
    ]
    frames = [Facet(str(problem), "meta-training step", _AXES[column]) for problem, column in panels]
    facets = Facets(TITLE, CAPTION + (SEEDS if curves["seed"].nunique() > 1 else ""), frames)
    order = sorted(curves["learner"].unique(), key=lambda name: (lane_rank(lanes.get(name, "")), name))
    for number, (problem, column) in enumerate(panels):
        shown = curves[curves["problem"] == problem].dropna(subset=[column])
        for rank, learner in reversed(list(enumerate(order))):  # controls lie below the lanes they go with
            rows = shown[shown["learner"] == learner]
            if len(rows):
                lane = lanes.get(learner, "")
                siblings = [name for name in order if lanes.get(name, "") == lane]
                look = lane_look(lane, siblings.index(learner))
                _add(facets, number, rows.rename(columns={column: "y"}), learner, look, rank)
    return facets.finish()


def _add(
    facets: Facets, number: int, rows: pd.DataFrame, learner: str, look: tuple[str, str], rank: int
) -> None:
    colour, dash = look
    curve = rows.groupby("step")["y"].agg(["mean", "min", "max"]).reset_index()
    shown = np.unique(np.linspace(0, len(curve) - 1, POINTS).round().astype(int))
    curve = curve.iloc[shown]
    steps = curve["step"].tolist()
    mean, low, high = (_short(curve[name]) for name in ("mean", "min", "max"))
    label = plain(learner_label(learner))
    if len(rows[["fold", "seed"]].drop_duplicates()) > 1:
        band = go.Scatter(x=steps + steps[::-1], y=high + low[::-1], fill="toself", mode="lines")
        band.update(line={"width": 0}, fillcolor=translucent(colour), hoverinfo="skip")
        facets.add(number, band, legend=label, swatch=False)
    line = go.Scatter(x=steps, y=mean, mode="lines", line={"color": colour, "dash": dash, "width": 2})
    line.hovertemplate = f"{label}<br>step %{{x}}: %{{y:.3f}}<extra></extra>"
    facets.add(number, line, legend=label, rank=rank)
    kept = rows[rows["kept"] == 1].groupby("step")["y"].mean()
    dots = go.Scatter(
        x=kept.index.tolist(), y=_short(kept), mode="markers", marker={"color": colour, "size": 7}
    )
    dots.hovertemplate = f"{label}<br>kept: step %{{x}}<extra></extra>"
    facets.add(number, dots, legend=label, swatch=False)


def _short(values: pd.Series) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
