"""Tables of the report as plain text cells: only named columns are read, so no identifier can slip in."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.reports.board import need
from med_maml_pipeline.reports.inputs import inputs_label
from med_maml_pipeline.reports.wording import learner_label, metric_label, number, whole

__all__ = ["Table", "attrition_table", "audit_table", "selection_table", "task_table"]

TASKS = (
    "source", "family", "protocol", "meta_split", "task_id", "shared_inputs",
    "n_examples", "n_groups", "lost_examples", "capped_examples",
)  # fmt: skip
ATTRITION = ("source", "table", "step", "kept", "lost")
AUDIT = ("problem", "fold", "protocol", "check", "overlaps", "verdict")
SELECTION = (
    "problem",
    "fold",
    "family",
    "learner",
    "seed",
    "support_size",
    "settings",
    "metric",
    "value",
    "n_episodes",
    "chosen",
)


@dataclass(frozen=True)
class Table:
    """A table for the page.

    Attributes:
        caption: What it shows.
        header: Column titles.
        rows: Cells as text.
        numeric: Columns that hold numbers and are set flush right.
        empty: The sentence in place of a table without rows.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int]
    empty: str


def task_table(modality: str, tasks: pd.DataFrame) -> Table:
    """Tasks, examples and losses to disjointness, per source, family and meta-split.

    A task that is in several folds counts once per meta-split; examples are means per task and fold.

    Args:
        modality: Whose tasks.
        tasks: The task table, all folds.
    """
    rows = []
    if len(tasks):
        need(tasks, TASKS, "tasks")
        order = {"train": 0, "validation": 1, "test": 2}
        grouped = tasks.groupby(["source", "family", "protocol", "meta_split"], sort=True)
        for key, part in sorted(grouped, key=lambda item: (*item[0][:3], order.get(str(item[0][3]), 3))):
            means = part[["n_examples", "n_groups", "lost_examples", "capped_examples"]].astype(float).mean()
            inputs = inputs_label(modality, bool(part["shared_inputs"].astype(bool).all()))
            count = whole(part["task_id"].nunique())
            rows.append((*map(str, key), inputs, count, *(whole(mean) for mean in means)))
    return Table(
        caption="Tasks by meta-split, with means per task",
        header=(
            "Source", "Family", "Protocol", "Meta-split", "Inputs of networks", "Tasks", "Examples",
            "Groups", "Lost to disjointness", "Left out by the cap",
        ),
        rows=tuple(rows),
        numeric=frozenset(range(5, 10)),
        empty="No task table was given.",
    )  # fmt: skip


def attrition_table(attrition: pd.DataFrame) -> Table:
    """The cohort account: what each step of ingestion and task construction kept and lost, in order.

    Args:
        attrition: ``source, table, step, kept, lost``.
    """
    if len(attrition):
        need(attrition, ATTRITION, "attrition")
    rows = [
        (str(source), str(table), str(step), whole(kept), whole(lost))
        for source, table, step, kept, lost in (attrition[list(ATTRITION)].values if len(attrition) else ())
    ]
    return Table(
        caption="Cohort attrition: what each step kept and lost (rows unless the step says otherwise)",
        header=("Source", "Table", "Step", "Kept", "Lost"),
        rows=tuple(rows),
        numeric=frozenset({3, 4}),
        empty="No attrition account was given.",
    )


def audit_table(audit: pd.DataFrame) -> Table:
    """The leakage audit, folds added up.

    Args:
        audit: ``problem, fold, protocol, check, overlaps, verdict``.
    """
    rows = []
    if len(audit):
        need(audit, AUDIT, "leakage audit")
        keys = ["problem", "protocol", "check", "verdict"]
        for key, part in audit.groupby(keys, sort=True):
            overlaps = whole(sum(float(count) for count in part["overlaps"].tolist()))
            rows.append((*map(str, key[:3]), whole(len(part)), overlaps, str(key[3])))
    return Table(
        caption="Leakage audit",
        header=("Problem", "Protocol", "Check", "Folds", "Overlaps", "Verdict"),
        rows=tuple(rows),
        numeric=frozenset({3, 4}),
        empty="No leakage audit was given.",
    )


def selection_table(selection: pd.DataFrame) -> Table:
    """Settings that validation tasks chose, per problem, learner and support size.

    Args:
        selection: Every setting tried; the number tried stands beside the one chosen.
    """
    rows: list[tuple[str, ...]] = []
    over = "folds"
    if len(selection):
        need(selection, SELECTION, "selection")
        over += " and meta-training seeds" if selection["seed"].nunique() > 1 else ""
        keys = ["problem", "family", "learner", "support_size", "metric"]
        for key, part in selection.groupby(keys, sort=True):
            chosen = part[part["chosen"].astype(bool)]
            rows.append(
                (
                    str(key[0]),
                    str(key[1]),
                    learner_label(str(key[2])),
                    whole(float(str(key[3]))),
                    whole(part["settings"].astype(str).nunique()),
                    _settings(chosen["settings"]),
                    f"{metric_label(str(key[4]))} {number(float(chosen['value'].mean()))}",
                    whole(float(part["n_episodes"].max())),
                )
            )
    return Table(
        caption=f"What validation tasks chose (means over {over})",
        header=("Problem", "Family", "Learner", "Support", "Tried", "Chosen", "Validation", "Episodes"),
        rows=tuple(rows),
        numeric=frozenset({3, 4, 6, 7}),
        empty="No selection table was given, so every learner ran with its first setting.",
    )


def _settings(chosen: pd.Series) -> str:
    return " / ".join(sorted({_readable(str(settings)) for settings in chosen})) or "–"


def _readable(settings: str) -> str:
    """``{"adapt": {"rate": 0.1}}`` as ``rate 0.1``."""
    parts = json.loads(settings).values()
    facts = [f"{name} {value}" for part in parts for name, value in part.items()]
    return ", ".join(facts) or "no setting to choose"
