"""The scoreboard for the terminal: the primary metric at the largest support size, one row per source."""

from __future__ import annotations

import pandas as pd
from rich.table import Table
from rich.text import Text

from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL, CHOSEN_OURS
from med_maml_pipeline.reports.board import Group, groups, in_order, largest, primary
from med_maml_pipeline.reports.style import lane_colour
from med_maml_pipeline.reports.wording import metric_label, number

__all__ = ["terminal_scoreboard"]

SHORT = {
    "maml": "MAML",
    "protonet": "Proto",
    "linear_probe": "probe",
    "fine_tune": "tuned",
    "logistic": "logit",
    "forest": "forest",
    "knn": "kNN",
    "tanimoto_krr": "Tani.",
    "prior": "prior",
    "untrained": "untr.",
    "forest_on_features": "f.o.f.",
    CHOSEN_OURS: "ours",
    CHOSEN_CLASSICAL: "class.",
}


def terminal_scoreboard(scoreboard: pd.DataFrame) -> Table:
    """A table that fits 120 columns, for the end of a run.

    A triangle after a value says that it is better (▲) or worse (▼) than the best classical learner, chosen
    on validation tasks, with a 95 % interval of the paired difference that leaves zero out.

    Args:
        scoreboard: The scoreboard.

    Returns:
        A rich table. Learners stand in the order of their lanes, in the lanes' colours.
    """
    rows = largest(primary(scoreboard))
    learners = in_order(rows).drop_duplicates("learner")[["learner", "lane"]]
    ranked = in_order(rows.assign(modality="", source="", task_family="", protocol="", metric="", support_size=0))
    order = list(dict.fromkeys(ranked["learner"]))
    lanes = dict(zip(learners["learner"], learners["lane"], strict=True))
    table = Table(
        title="Primary metric at the largest support size (▲ better, ▼ worse than the best classical learner)",
        caption="Research use only, not a medical device.",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("source", max_width=20, overflow="fold")
    table.add_column("family", max_width=13, overflow="fold")
    table.add_column("support", justify="right", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for learner in order:
        style = lane_colour(lanes[learner])
        table.add_column(SHORT.get(learner, learner[:6]), justify="right", no_wrap=True, header_style=style)
    for group in groups(rows):
        table.add_row(*_heads(group), *(_value(group, learner) for learner in order))
    return table


def _heads(group: Group) -> tuple[str, str, str, str]:
    family = group.family if group.protocol == "disjoint" else f"{group.family} ({group.protocol})"
    support = f"{group.size}/class" if group.per_class else f"{group.size}"
    return group.source, family, support, metric_label(group.metric).split()[0]


def _value(group: Group, learner: str) -> Text:
    found = group.rows[group.rows["learner"] == learner]
    if found.empty:
        return Text("–", style="dim")
    row = found.iloc[0]
    if pd.isna(row["value"]):
        return Text("undef.", style="dim")
    if row["diff_low"] > 0:
        return Text(f"{number(row['value'])}▲", style="bold green")
    if row["diff_high"] < 0:
        return Text(f"{number(row['value'])}▼", style="red")
    return Text(f"{number(row['value'])} ")
