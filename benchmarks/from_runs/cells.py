"""How Markdown tables of results are set: short cells that break nowhere, and marks to stand between."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from med_maml_pipeline.reports.wording import estimate, learner_label, number

__all__ = ["BLANK", "compact", "difference", "fill", "markdown", "value", "with_learners"]

BLANK = "–"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(_line(cells) for cells in (heads, ["---"] * len(heads), *rows))


def value(mean: float, low: float, high: float) -> str:
    """``.723 [.701, .745]``; a dash for what was not measured."""
    return _unbroken(estimate(mean, low, high)) if math.isfinite(mean) else BLANK


def compact(mean: float, low: float, high: float) -> str:
    """``.723 [.70, .75]``: for wide tables."""
    if not math.isfinite(mean):
        return BLANK
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(mean)
    return _unbroken(f"{number(mean)} [{number(low, 2)}, {number(high, 2)}]")


def difference(mean: float, low: float, high: float, *, bold: bool) -> str:
    """As `value`, with the sign; in bold where it is told from zero."""
    if not math.isfinite(mean):
        return BLANK
    text = _unbroken(estimate(mean, low, high, difference=True))
    return f"**{text}**" if bold else text


def with_learners(names: object, mean: float, low: float, high: float) -> str:
    """Who was chosen, over the value."""
    if not isinstance(names, str):
        return BLANK
    return f"{', '.join(map(learner_label, names.split(', ')))}<br>{value(mean, low, high)}"


def fill(text: str, name: str, tables: Mapping[str, str]) -> str:
    """The text with each table between its marks, ``<!-- KIND:NAME -->`` and ``<!-- /KIND:NAME -->``.

    Args:
        text: A file's content; it may have the marks of some kinds only.
        name: ``embedded``, or the name of the environment.
        tables: By kind.

    Raises:
        SystemExit: the text has the marks of no kind.
    """
    found = 0
    for kind, table in tables.items():
        pattern = re.compile(rf"(<!-- {kind}:{name} -->\n).*?(<!-- /{kind}:{name} -->)", re.DOTALL)
        text, count = pattern.subn(lambda marks, put=table: f"{marks[1]}{put}\n{marks[2]}", text)
        found += count
    if not found:
        wanted = ", ".join(f"<!-- {kind}:{name} -->" for kind in tables)
        raise SystemExit(f"the file has no marks: expected one of {wanted}, with its end")
    return text


def _unbroken(text: str) -> str:
    """The text with spaces that no line ends at."""
    return text.replace(" ", "\u00a0")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
