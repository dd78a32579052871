"""What learners of a problem read: which tables share their inputs, and which are made alike per episode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from med_maml_pipeline.learners.network_inputs import RANKED_WIDTH
from med_maml_pipeline.reports.board import need
from med_maml_pipeline.reports.wording import counted

__all__ = ["inputs_label", "inputs_told"]

_THINGS = {"expression": "genes"}
"""What the columns of a modality are called; of others they are columns."""

_PICTURES = (
    "pictures of the same size and number of channels; networks read the pixels, classical learners the "
    "hand-crafted features beside them (the pixels where there are none)"
)
_COLUMNS = "the same {things}, centred and scaled on meta-training examples"
_RANKED = (
    "networks read {width} inputs, the {things} most associated with the label on each support, so that what "
    "they learn needs no common {things}; classical learners keep all {things}"
)


def inputs_label(modality: str, shared: bool) -> str:
    """In few words, what networks read."""
    things = _THINGS.get(modality, "columns")
    if not shared:
        return f"{RANKED_WIDTH} {things}, ranked on each support"
    return "pictures of one size" if modality == "imaging" else f"the same {things}"


def inputs_told(modality: str, tasks: pd.DataFrame) -> tuple[str, ...]:
    """A sentence on the problems whose inputs are shared, and one on those made independent of the width.

    Args:
        modality: Its name.
        tasks: Its task table.
    """
    return tuple(_sentences(modality, tasks)) if len(tasks) else ()


def _sentences(modality: str, tasks: pd.DataFrame) -> Iterator[str]:
    need(tasks, ("problem", "examples", "shared_inputs"), "tasks")
    things = _THINGS.get(modality, "columns")
    shared = tasks["shared_inputs"].astype(bool)
    if shared.any():
        what = _PICTURES if modality == "imaging" else _COLUMNS.format(things=things)
        yield f"Inputs are shared in {_problems(tasks[shared])}: {what}."
    if not shared.all():
        what = _RANKED.format(things=things, width=RANKED_WIDTH)
        apart = f"{_problems(tasks[~shared])}, whose tables differ in their {things}"
        yield f"Inputs are made independent of the width in {apart}: {what}."


def _problems(tasks: pd.DataFrame) -> str:
    """``the problems a (3 tables) and b (1 table)``."""
    tables = tasks.groupby("problem", sort=True)["examples"].nunique()
    told: Sequence[str] = [f"{name} ({counted(number, 'table')})" for name, number in tables.items()]
    if len(told) == 1:
        return f"the problem {told[0]}"
    return f"the problems {', '.join(told[:-1])} and {told[-1]}"
