"""The scoreboard for the terminal: the answer of each source first, then every learner by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group as Renderables
from rich.table import Table
from rich.text import Text

from med_maml_pipeline.metrics.answers import answers
from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL, CLASSICAL_LANE, PRIOR
from med_maml_pipeline.reports.answer_table import UNCOUNTED
from med_maml_pipeline.reports.board import Group, groups, largest, primary
from med_maml_pipeline.reports.style import lane_colour, lane_rank
from med_maml_pipeline.reports.wording import LEARNER_LABELS, learner_label, metric_label, number, p_label

__all__ = ["terminal_scoreboard"]

ABREAST = 11
"""Sources whose values fit beside the learners' names."""

APART = f"{UNCOUNTED}: the family does not count, and p is not adjusted. "
NOTICE = "Research use only, not a medical device."
SPREAD = "Below a value: its standard deviation over meta-training seeds. "
_WORDS = {"better": ("▲", "bold green"), "worse": ("▼", "red"), "level": ("", "")}
Answer = Mapping[Any, Any]
"""A row of `answers`."""

_CELL = ["modality", "source", "task_family", "protocol", "metric", "support_size"]


def terminal_scoreboard(scoreboard: pd.DataFrame) -> Renderables:
    """Tables that fit 120 columns, for the end of a run: primary metrics at the largest support sizes.

    The first has a numbered line per source and family: the stacked answer, the selected learner, the best
    classical learner (chosen on validation tasks), the prior, and whether the answer is better than these
    (see `answers`; ``†``: the family does not count, so its p-value is adjusted for nothing).

    The others have a line per learner and the same numbers as columns. There a triangle says that a value is
    better (▲) or worse (▼) than the best classical learner, with a 95 % interval of the paired difference
    that leaves zero out. Where learners were meta-trained with several seeds, the standard deviation over
    them stands below the value.

    Args:
        scoreboard: The scoreboard.
    """
    rows = largest(primary(scoreboard))
    numbered = list(enumerate(groups(rows), start=1))
    found = answers(scoreboard)
    told = dict(zip(found[_CELL].itertuples(index=False, name=None), found.to_dict("records"), strict=True))
    notes = (SPREAD, (rows["n_seeds"] > 1).any()), (APART, not found["counted"].all())
    notice = "".join(note for note, needed in notes if needed) + NOTICE
    boards = [
        _learners(numbered[start : start + ABREAST], _order(rows))
        for start in range(0, len(numbered), ABREAST)
    ]
    return Renderables(_answers(numbered, told), *boards, Text(notice, style="dim italic", justify="center"))


def _answers(numbered: Sequence[tuple[int, Group]], told: Mapping[Any, Answer]) -> Table:
    table = _table("Primary metric, largest support size: Stacked is what a user takes home")
    table.add_column("", justify="right")
    table.add_column("source · family", max_width=30, overflow="fold")
    table.add_column("support\nmetric", no_wrap=True)
    for head in ("Stacked", "Selected", "classical", "prior", "against\nclassical", "against\nprior"):
        table.add_column(head, justify="right", no_wrap=True)
    for place, group in numbered:
        waiver = "" if group.protocol == "disjoint" else f" ({group.protocol})"
        size = f"{group.size}/class" if group.per_class else f"{group.size} in all"
        heads = (str(place), f"{group.source} · {group.family}{waiver}")
        measured = f"{size}\n{metric_label(group.metric).split()[0]}"
        values = (_value(group, name) for name in ("stacked", "selected", _reference(group), PRIOR))
        key = (group.modality, group.source, group.family, group.protocol, group.metric, group.size)
        verdicts = (_verdict(told.get(key), name) for name in ("classical", "prior"))
        table.add_row(*heads, measured, *values, *verdicts)
    return table


def _reference(group: Group) -> str:
    """The row that speaks for the classical lane: where there is one fold, it has no difference to itself."""
    rows = group.rows[group.rows["lane"] == CLASSICAL_LANE]
    if CHOSEN_CLASSICAL in set(rows["learner"]):
        return CHOSEN_CLASSICAL
    own = rows[rows["value"].notna() & rows["diff_to_classical"].isna()]
    return str(own["learner"].iloc[0]) if len(own) == 1 else ""


def _verdict(answer: Answer | None, name: str) -> Text:
    if answer is None or not answer[f"to_{name}"]:
        return Text("–", style="dim")
    word = answer[f"to_{name}"]
    sign, style = _WORDS[word]
    mark = "" if answer["counted"] else UNCOUNTED
    return Text(f"{sign}{word} {p_label(float(answer[f'judged_to_{name}']))}{mark}", style=style)


def _learners(numbered: Sequence[tuple[int, Group]], order: Sequence[tuple[str, str]]) -> Table:
    table = _table("Every learner, by these numbers (▲ better, ▼ worse than the best classical)")
    table.add_column("learner", no_wrap=True)
    for place, _ in numbered:
        table.add_column(str(place), justify="right", no_wrap=True)
    for learner, lane in order:
        label = Text(learner_label(learner), style=lane_colour(lane))
        table.add_row(label, *(_value(group, learner, triangles=True) for _, group in numbered))
    return table


def _order(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Learners with their lanes, by lane and then in the order of the labels."""
    known = list(LEARNER_LABELS)
    found = set(zip(rows["learner"], rows["lane"], strict=True))
    place = {name: known.index(name) if name in known else len(known) for name, _ in found}
    return sorted(found, key=lambda pair: (lane_rank(pair[1]), place[pair[0]], pair[0]))


def _table(title: str) -> Table:
    # the column dividers are blanks, and values end in one
    return Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=0)


def _value(group: Group, learner: str, *, triangles: bool = False) -> Text:
    found = group.rows[group.rows["learner"] == learner]
    if found.empty:
        return Text("– " if triangles else "–", style="dim")
    row = found.iloc[0]
    if pd.isna(row["value"]):
        return Text("undef.", style="dim")
    text = _marked(row) if triangles else Text(number(row["value"]))
    return text if pd.isna(row["seed_sd"]) else text.append(f"\n±{number(row['seed_sd'])}", style="dim")


def _marked(row: pd.Series) -> Text:
    if row["diff_low"] > 0:
        return Text(f"{number(row['value'])}▲", style="bold green")
    if row["diff_high"] < 0:
        return Text(f"{number(row['value'])}▼", style="red")
    return Text(f"{number(row['value'])} ")
