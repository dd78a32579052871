"""Learning curves of meta-training: did it converge, and did the folds agree?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.reports.board import need
from med_maml_pipeline.reports.figures.facets import Facet, Facets, absent
from med_maml_pipeline.reports.style import DASHES, lane_colour, lane_rank, translucent
from med_maml_pipeline.reports.wording import learner_label, plain

__all__ = ["learning_figure"]

TITLE = "Learning curves of meta-training"
CAPTION = (
    "Query loss on meta-training tasks at each logged step, mean over folds; bands span the folds. "
    "Losses of different learners need not share a scale. Learners without meta-training have no curve."
)
POINTS = 80  # per curve: more would only make the file larger


def learning_figure(history: pd.DataFrame, lanes: dict[str, str]) -> go.Figure:
    """Loss against meta-training step, one panel per problem.

    Args:
        history: ``problem, fold, learner, step, loss`` of all lanes.
        lanes: Learner to lane.

    Returns:
        The figure. Where nothing was meta-trained it says so.
    """
    if len(history):
        need(history, ("problem", "fold", "learner", "step", "loss"), "history")
    curves = history.dropna(subset=["loss"]) if len(history) else history
    if curves.empty:
        return absent(TITLE, "No learner of this run logged a learning curve.")
    problems = sorted(curves["problem"].unique())
    frames = [
        Facet(str(problem), "meta-training step", "loss, nats or squared units") for problem in problems
    ]
    facets = Facets(TITLE, CAPTION, frames)
    order = sorted(curves["learner"].unique(), key=lambda name: (lane_rank(lanes.get(name, "")), name))
    for number, problem in enumerate(problems):
        of_problem = curves[curves["problem"] == problem]
        for rank, learner in reversed(list(enumerate(order))):  # controls lie below the lanes they go with
            rows = of_problem[of_problem["learner"] == learner]
            if len(rows):
                lane = lanes.get(learner, "")
                siblings = [name for name in order if lanes.get(name, "") == lane]
                dash = DASHES[siblings.index(learner) % len(DASHES)]
                _add(facets, number, rows, learner, lane_colour(lane), dash, rank)
    return facets.finish()


def _add(
    facets: Facets, number: int, rows: pd.DataFrame, learner: str, colour: str, dash: str, rank: int
) -> None:
    curve = rows.groupby("step")["loss"].agg(["mean", "min", "max"]).reset_index()
    kept = np.unique(np.linspace(0, len(curve) - 1, POINTS).round().astype(int))
    curve = curve.iloc[kept]
    steps = curve["step"].tolist()
    mean, low, high = (_short(curve[name]) for name in ("mean", "min", "max"))
    label = plain(learner_label(learner))
    if rows["fold"].nunique() > 1:
        band = go.Scatter(x=steps + steps[::-1], y=high + low[::-1], fill="toself", mode="lines")
        band.update(line={"width": 0}, fillcolor=translucent(colour), hoverinfo="skip")
        facets.add(number, band, legend=label, swatch=False)
    line = go.Scatter(x=steps, y=mean, mode="lines", line={"color": colour, "dash": dash, "width": 2})
    line.hovertemplate = f"{label}<br>step %{{x}}: %{{y:.3f}}<extra></extra>"
    facets.add(number, line, legend=label, rank=rank)


def _short(values: pd.Series) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
