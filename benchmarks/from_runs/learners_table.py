"""Every learner in every family of one kind of data, at one support size each, with what it costs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from from_runs.cells import BLANK, compact, markdown
from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL, CHOSEN_OURS
from med_maml_pipeline.reports.board import Group, groups, primary
from med_maml_pipeline.reports.style import lane_rank
from med_maml_pipeline.reports.wording import LEARNER_LABELS, learner_label, metric_label, quantity

__all__ = ["learners_table", "nearest_ten"]

COSTS = ("Meta-training, s", "Adaptation, s", "Memory, MiB")
_PER_CLASS, _IN_ALL = 10, 20


def learners_table(scoreboard: pd.DataFrame, costs: pd.DataFrame) -> str:
    """One row per learner, by lane; one column per source and family.

    Args:
        scoreboard: Of one modality.
        costs: Of its meta-trainings, ensembles' included: ``problem, fold, learner, seed, seconds_meta_fit,
            peak_memory_mib``.
    """
    rows = primary(scoreboard)
    rows = nearest_ten(rows[~rows["learner"].isin((CHOSEN_CLASSICAL, CHOSEN_OURS))])
    columns = list(groups(rows))
    heads = ("Lane", "Learner", *map(_head, columns), *COSTS)
    return markdown(heads, _lines(rows, columns, costs))


def nearest_ten(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows at the support size of their family that is nearest to 10 per class, or to 20 in all.

    The smaller one of two; without a size per class twenty in all are what ten of each of two classes are.
    """
    away = (rows["support_size"] - rows["n_shot"].notna().map({True: _PER_CLASS, False: _IN_ALL})).abs()
    ranked = rows.assign(_away=away).sort_values(["_away", "support_size"], kind="stable")
    family = ["source", "task_family", "protocol", "metric"]
    chosen = ranked.groupby(family)["support_size"].transform("first")
    return ranked[ranked["support_size"] == chosen].drop(columns="_away").sort_index()


def _head(group: Group) -> str:
    size = f"{group.size}/class" if group.per_class else f"{group.size} in all"
    ways = f", {group.n_way}-way" if group.n_way and group.n_way > 2 else ""
    return f"{group.source}<br>{group.family_label}<br>{size}{ways}<br>{metric_label(group.metric)}"


def _lines(rows: pd.DataFrame, columns: list[Group], costs: pd.DataFrame) -> Iterator[list[str]]:
    by_seed = costs.groupby(["learner", "seed"]) if len(costs) else None
    spent = None if by_seed is None else by_seed["seconds_meta_fit"].sum().groupby("learner").mean()
    memory = None if by_seed is None else by_seed["peak_memory_mib"].max().groupby("learner").mean()
    adapt = rows.groupby("learner")["seconds_adapt_per_task"].mean()
    lane_before = ""
    for learner, lane in _order(rows):
        values = [_cell(group, learner) for group in columns]
        figures = [
            BLANK if one is None else quantity(one.get(learner, float("nan")))
            for one in (spent, adapt, memory)
        ]
        yield ["" if lane == lane_before else lane, learner_label(learner), *values, *figures]
        lane_before = lane


def _cell(group: Group, learner: str) -> str:
    own = group.rows[group.rows["learner"] == learner]
    return compact(*own.iloc[0][["value", "ci_low", "ci_high"]].astype(float)) if len(own) else BLANK


def _order(rows: pd.DataFrame) -> list[tuple[str, str]]:
    known = {name: place for place, name in enumerate(LEARNER_LABELS)}
    found = set(zip(rows["learner"], rows["lane"], strict=True))
    return sorted(found, key=lambda pair: (lane_rank(pair[1]), known.get(pair[0], len(known)), pair[0]))
