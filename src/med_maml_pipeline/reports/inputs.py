"""What learners of a problem read: which tables share their inputs, and which are made alike per episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from med_maml_pipeline.learners.network_inputs import RANKED_WIDTH
from med_maml_pipeline.reports.board import need

__all__ = ["inputs_label", "inputs_told"]

_THINGS = {"expression": "genes"}
"""What the columns of a modality are called; other modalities have columns."""

_SHARED = {
    "imaging": "have pictures of the same size and number of channels: networks read the pixels, classical "
    "learners the hand-crafted features beside them (the pixels where there are none)",
    "expression": "have the same genes, centred and scaled on meta-training samples",
}
_RANKED = (
    "differ in their {things}: networks read {width} inputs, the {things} most associated with the label on "
    "each support, so that what they learned needs no common {things}; classical learners keep all {things}"
)


def inputs_label(modality: str, shared: bool) -> str:
    """In few words, what networks read."""
    things = _THINGS.get(modality, "columns")
    if not shared:
        return f"{RANKED_WIDTH} {things}, ranked on each support"
    return "pictures of one size" if modality == "imaging" else f"the same {things}"


def inputs_told(modality: str, tasks: pd.DataFrame) -> tuple[str, ...]:
    """One sentence per kind of inputs, with the problems that have it.

    Args:
        modality: Its name.
        tasks: Its task table.
    """
    if tasks.empty:
        return ()
    need(tasks, ("problem", "examples", "shared_inputs"), "tasks")
    tables = tasks.groupby("problem", sort=True)["examples"].nunique()
    shared = tasks.groupby("problem", sort=True)["shared_inputs"].all()
    things = _THINGS.get(modality, "columns")
    same = _SHARED.get(modality, f"have the same {things}, centred and scaled on meta-training examples")
    ranked = _RANKED.format(things=things, width=RANKED_WIDTH)
    kinds: Mapping[str, Sequence[str]] = {
        same: [str(name) for name in tables.index if shared[name]],
        ranked: [str(name) for name in tables.index if not shared[name]],
    }
    return tuple(f"{_problems(names, tables)} {words}." for words, names in kinds.items() if names)


def _problems(names: Sequence[str], tables: pd.Series) -> str:
    """``Tables of the problems a (3) and b (1)``: names with the number of their tables."""
    told = [f"{name} ({tables[name]})" for name in names]
    listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return f"The tables of problem{'' if len(told) == 1 else 's'} {listed}"
