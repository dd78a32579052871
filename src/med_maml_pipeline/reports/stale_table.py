"""Which datasets are stale and why, for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from med_maml_pipeline.runs.staleness import State

__all__ = ["stale_sentence", "stale_table"]


def stale_table(states: Collection[State], rooms: Mapping[str, str]) -> Table:
    """One line per dataset, in the order in which they are made; what one node made shares its reasons.

    Args:
        states: From `med_maml_pipeline.runs.staleness.states`.
        rooms: Room by changed file of the code.
    """
    table = Table(title="Latest version of each dataset", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("dataset", "version", "state"):
        table.add_column(name, no_wrap=name != "dataset", overflow="fold")
    table.add_column("why", overflow="fold")
    for (version, *_), shared in groupby(states, lambda one: (one.version, replace(one, dataset=""))):
        group = list(shared)
        word = Text("stale", style="yellow") if group[0].stale else Text("up to date", style="green")
        names = "\n".join(state.dataset for state in group)
        table.add_row(names, version, word, "\n".join(_why(group[0], rooms)))
    return table


def stale_sentence(states: Collection[State]) -> str:
    """How many are stale, and for how many the code could not be compared."""
    stale = sum(state.stale for state in states)
    unknown = sum(state.code is None for state in states)
    sentence = f"{stale} of {len(states)} datasets are stale."
    if unknown:
        sentence += f" Code was not compared for {unknown}: no git repository, or not with that commit."
    return sentence


def _why(state: State, rooms: Mapping[str, str]) -> Iterator[str]:
    if not state.recorded:
        yield "no record of the run that made it"
    if state.parameters:
        yield f"parameters {_few(state.parameters)}"
    if state.code:
        count = len(state.code)
        places = sorted({rooms[file] for file in state.code})
        yield f"code: {count} file{'s' if count > 1 else ''} in {_few(places)}"
    if state.sources:
        yield f"sources: {_few(state.sources)}"
    if state.inputs:
        yield f"newer {_few(state.inputs)}"
    if state.upstream:
        yield f"behind {_few(state.upstream)}"


def _few(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
