"""The scoreboard for the terminal: the primary metric at the largest support size, one row per source."""

from __future__ import annotations

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL, CHOSEN_OURS
from med_maml_pipeline.reports.board import Group, groups, largest, primary
from med_maml_pipeline.reports.style import lane_colour, lane_rank
from med_maml_pipeline.reports.wording import metric_label, number

__all__ = ["terminal_scoreboard"]

SHORT: dict[str, str] = {
    "maml": "MAML",
    "fomaml": "FOMAML",
    "anil": "ANIL",
    "boil": "BOIL",
    "meta_sgd": "M-SGD",
    "maml_pp": "MAML++",
    "protomaml": "P.MAML",
    "reptile": "rept.",
    "imaml": "iMAML",
    "protonet": "Proto",
    "protonet_cosine": "P.cos",
    "protonet_mahalanobis": "P.Mah",
    "matching": "match",
    "relation": "relat.",
    "r2d2": "R2-D2",
    "dkt": "DKT",
    "adkf": "ADKF",
    "cnp": "CNP",
    "anp": "ANP",
    "snail": "SNAIL",
    "in_context": "in-ctx",
    "linear_probe": "probe",
    "fine_tune": "tuned",
    "logistic": "logit",
    "forest": "forest",
    "knn": "kNN",
    "boosting": "boost",
    "svm": "SVM",
    "kernel_ridge": "KRR",
    "tanimoto_krr": "Tani.",
    "prior": "prior",
    "prior_residual": "pr+GP",
    "untrained": "untr.",
    "baseline_pp": "B++",
    "lda": "LDA",
    "forest_on_features": "f.o.f.",
    CHOSEN_OURS: "ours",
}
"""Learner to a column title of at most six letters, in the order of the columns."""

SPREAD = "Below a value: its standard deviation over meta-training seeds. "


def terminal_scoreboard(scoreboard: pd.DataFrame) -> Table:
    """A table that fits 120 columns, for the end of a run.

    A triangle after a value says that it is better (▲) or worse (▼) than the best classical learner, chosen
    on validation tasks, with a 95 % interval of the paired difference that leaves zero out. Where learners
    were meta-trained with several seeds, the standard deviation over them stands below the value.

    Args:
        scoreboard: The scoreboard.

    Returns:
        A rich table. Learners stand in the order of their lanes, in the lanes' colours.
    """
    rows = largest(primary(scoreboard))
    spread = SPREAD if (rows["n_seeds"] > 1).any() else ""
    rows = rows[rows["learner"] != CHOSEN_CLASSICAL]  # the triangles already speak of it
    lanes = dict(zip(rows["learner"], rows["lane"], strict=True))
    table = Table(
        title="Primary metric, largest support size (▲ better, ▼ worse than the best classical learner)",
        caption=f"{spread}Research use only, not a medical device.",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,  # the column dividers are blanks, and values end in one
    )
    table.add_column("source\nfamily", max_width=22, overflow="fold")
    table.add_column("support\nmetric", no_wrap=True)
    order = sorted(
        lanes,
        key=lambda learner: (
            lane_rank(lanes[learner]),
            list(SHORT).index(learner) if learner in SHORT else 99,
        ),
    )
    for learner in order:
        style = lane_colour(lanes[learner])
        table.add_column(SHORT.get(learner, learner[:6]), justify="right", no_wrap=True, header_style=style)
    for group in groups(rows):
        table.add_row(*_heads(group), *(_value(group, learner) for learner in order))
    return table


def _heads(group: Group) -> tuple[str, str]:
    size = f"{group.size}/class" if group.per_class else f"{group.size} in all"
    waiver = "" if group.protocol == "disjoint" else f" ({group.protocol})"
    return f"{group.source}\n{group.family}{waiver}", f"{size}\n{metric_label(group.metric).split()[0]}"


def _value(group: Group, learner: str) -> Text:
    found = group.rows[group.rows["learner"] == learner]
    if found.empty:
        return Text("–", style="dim")
    row = found.iloc[0]
    if pd.isna(row["value"]):
        return Text("undef.", style="dim")
    text = _judged(row)
    return text if pd.isna(row["seed_sd"]) else text.append(f"\n±{number(row['seed_sd'])}", style="dim")


def _judged(row: pd.Series) -> Text:
    if row["diff_low"] > 0:
        return Text(f"{number(row['value'])}▲", style="bold green")
    if row["diff_high"] < 0:
        return Text(f"{number(row['value'])}▼", style="red")
    return Text(f"{number(row['value'])} ")
