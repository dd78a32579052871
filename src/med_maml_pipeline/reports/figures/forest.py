"""Forest plot: for each test task, the best of ours against the best classical learner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.metrics.choice import CLASSICAL_LANE, OUR_LANES
from med_maml_pipeline.metrics.contest import Contest, Entry, contests
from med_maml_pipeline.metrics.intervals import Interval, paired_difference
from med_maml_pipeline.metrics.judged import judged_predictions
from med_maml_pipeline.metrics.primary import primary_metric
from med_maml_pipeline.metrics.references import chosen_entry
from med_maml_pipeline.reports.board import ALL_FOLDS
from med_maml_pipeline.reports.figures.facets import Facet, Facets, absent
from med_maml_pipeline.reports.style import NEUTRAL, lane_colour
from med_maml_pipeline.reports.wording import (
    difference_label,
    estimate,
    learner_label,
    plain,
    source_label,
    support_label,
)

__all__ = ["forest_figure"]

TITLE = "Task by task: best of ours minus best classical"
CAPTION = (
    "Both learners were chosen on validation tasks. Right of the dotted line ours is better. Each dot is a "
    "test task at the largest support size, its bar a 95 % interval over the few supports drawn, so no more "
    "than a hint; the diamond is the mean over tasks, with its interval over tasks and supports."
)
N_BOOTSTRAP = 1_000
LABELLED = 45  # more tasks than this are drawn closer and named on hover only
LEFT_PX = 190


@dataclass(frozen=True)
class _Forest:
    contest: Contest
    metric: str
    ours: Entry
    classical: Entry
    tasks: list[tuple[str, Interval]]
    pooled: Interval


def forest_figure(
    predictions: pd.DataFrame,
    tasks: pd.DataFrame,
    episodes: pd.DataFrame,
    selection: pd.DataFrame,
    costs: pd.DataFrame,
    *,
    seed: int,
) -> go.Figure:
    """Per-task paired differences at the largest support size, one panel per source and family.

    Args:
        predictions / tasks / episodes / selection / costs: As for `build_scoreboard`.
        seed: Seed of the bootstrap.

    Returns:
        The figure. Where no source has both sides it says so.
    """
    if predictions.empty:
        return absent(TITLE, "No learner made a prediction on a test task.")
    judged = judged_predictions(predictions, tasks, episodes, costs)
    forests = list(_forests(judged, selection, seed)) if len(selection) else []
    if not forests:
        return absent(
            TITLE, "No source has both a learner of ours and a classical one chosen on validation tasks."
        )
    labels = dict(zip(tasks["task_id"], tasks["label"].astype(str), strict=True))
    facets = Facets(TITLE, CAPTION, [_facet(forest) for forest in forests], columns=2, left=LEFT_PX)
    for number, forest in enumerate(forests):
        _fill(facets, number, forest, labels)
    return facets.finish()


def _forests(judged: pd.DataFrame, selection: pd.DataFrame, seed: int) -> Iterator[_Forest]:
    whole = [contest for contest in contests(judged) if contest.fold == ALL_FOLDS]
    cell = [(one.source, one.family, one.protocol, one.regression) for one in whole]
    for contest, key in zip(whole, cell, strict=True):
        family = [other for other, same in zip(whole, cell, strict=True) if same == key]
        if contest.support_size != max(other.support_size for other in family):
            continue
        ours, classical = (_chosen(contest, selection, lanes) for lanes in (OUR_LANES, (CLASSICAL_LANE,)))
        if ours is None or classical is None:
            continue
        yield _compare(contest, _metric(family), ours, classical, seed)


def _metric(family: Sequence[Contest]) -> str:
    """The primary metric of one family, given its contests of all sizes."""
    return primary_metric(
        regression=family[0].regression,
        ways=[contest.n_way for contest in family],
        balanced=all(contest.n_shot is not None for contest in family),
    )


def _chosen(contest: Contest, selection: pd.DataFrame, lanes: tuple[str, ...]) -> Entry | None:
    """The choice that the scoreboard makes, in the colour of its lane where all folds agree on one."""
    entry = chosen_entry(contest, selection, lanes, "several")
    if entry is None:
        return None
    used = {contest.entries[str(name)].lane for name in entry.learners}
    return replace(entry, lane=used.pop()) if len(used) == 1 else entry


def _compare(contest: Contest, metric: str, ours: Entry, classical: Entry, seed: int) -> _Forest:
    place = contest.metrics.index(metric)
    own, other = ours.values[:, place], classical.values[:, place]
    names = contest.episodes["task_id"].to_numpy()
    rows = []
    for task in np.unique(names):
        mine = names == task
        found = paired_difference(own[mine], other[mine], names[mine], seed=seed, n_bootstrap=N_BOOTSTRAP)
        rows.append((str(task), found))
    rows.sort(key=lambda row: (not np.isnan(row[1].mean), row[1].mean))
    pooled = paired_difference(own, other, names, seed=seed, n_bootstrap=N_BOOTSTRAP)
    return _Forest(contest, metric, ours, classical, rows, pooled)


def _facet(forest: _Forest) -> Facet:
    contest, count = forest.contest, len(forest.tasks)
    size = support_label(contest.support_size, contest.n_shot is not None, contest.n_way)
    ours, classical = (_names(entry) for entry in (forest.ours, forest.classical))
    return Facet(
        title=source_label(contest.source, contest.family, contest.protocol),
        x_title=difference_label(forest.metric),
        y_title="" if count <= LABELLED else f"{count} test tasks, in order",
        height=max(90, (15 if count <= LABELLED else 5) * (count + 3)),
        note=f"{ours} − {classical}\n{size}",
    )


def _names(entry: Entry) -> str:
    return ", ".join(learner_label(name) for name in sorted(set(entry.learners)))


def _fill(facets: Facets, number: int, forest: _Forest, labels: Mapping[str, str]) -> None:
    names = [labels[task] for task, _ in forest.tasks]
    colour = lane_colour(forest.ours.lane)
    dots = _bars([interval for _, interval in forest.tasks], range(2, len(names) + 2), names)
    dots.marker = {"color": colour, "size": 6 if len(names) <= LABELLED else 4}
    facets.add(number, dots)
    mean = _bars([forest.pooled], [0], ["mean over tasks"])
    mean.marker = {"color": colour, "symbol": "diamond", "size": 11}
    facets.add(number, mean)
    span = [-1, len(names) + 2]
    facets.reference(number, [0, 0], span)
    ticks = {0: "<b>mean over tasks</b>"}
    if len(names) <= LABELLED:
        ticks |= {place: plain(_short(name)) for place, name in enumerate(names, start=2)}
    ticked = {"tickvals": list(ticks), "ticktext": list(ticks.values()), "tickfont": {"size": 10}}
    facets.axis(number, "y", range=span, showgrid=False, **ticked)
    facets.axis(number, "x", tickformat=".2f", nticks=5, tickangle=0)


def _bars(intervals: Sequence[Interval], places: Sequence[int], labels: Sequence[str]) -> go.Scatter:
    known = [not (np.isnan(one.low) or np.isnan(one.high)) for one in intervals]
    above = [round(one.high - one.mean, 4) if has else 0 for one, has in zip(intervals, known, strict=True)]
    below = [round(one.mean - one.low, 4) if has else 0 for one, has in zip(intervals, known, strict=True)]
    return go.Scatter(
        x=[None if np.isnan(one.mean) else round(one.mean, 4) for one in intervals],
        y=list(places),
        mode="markers",
        error_x={
            "array": above,
            "arrayminus": below,
            "symmetric": False,
            "width": 0,
            "thickness": 1.2,
            "color": NEUTRAL,
        },
        text=[
            f"{plain(label)}: {estimate(one.mean, one.low, one.high, difference=True)}"
            for label, one in zip(labels, intervals, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _short(label: str, most: int = 24) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
