"""How exact are the learners? Relative errors against references that share no code with them.

Usage: python benchmarks/reference_table.py [--only LEARNER] [--write docs/learners.md]

Runs the checks of `learner_references` (the test suite holds them to the same gates) and prints a row per
learner and reference: of its checks, the one that comes closest to its gate. Stops where a learner has no
check or an error passes its gate. Takes about half a minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from common.output import options, save, table
from learner_references import CHECKS, Check

from med_maml_pipeline.learners.registry import LEARNERS, get_learner
from med_maml_pipeline.reports.style import lane_rank

HEADS = ("learner", "lane", "reference", "what is compared", "checks", "largest error", "gate")
_TYPE_OF_TARGET = re.compile(r"^(binary|multiclass|regression) ")


@dataclass(frozen=True)
class Result:
    """A check and its relative error."""

    check: Check
    error: float

    @property
    def fails(self) -> bool:
        """Whether the error passes the gate; an error that is not a number does."""
        return not self.error <= self.check.gate


def ordered(checks: Sequence[Check]) -> list[Check]:
    """Checks by lane, learner and reference, lanes and learners in the order of the house."""
    learners = list(LEARNERS)
    return sorted(
        checks,
        key=lambda c: (lane_rank(get_learner(c.learner).lane), learners.index(c.learner), c.reference),
    )


def by_reference(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """A row per learner and reference, of results in the order of `ordered`."""
    for (learner, reference), group in groupby(results, lambda r: (r.check.learner, r.check.reference)):
        members = list(group)
        worst = max(members, key=lambda r: r.error / r.check.gate)
        compared = dict.fromkeys(_TYPE_OF_TARGET.sub("", r.check.quantity).partition(",")[0] for r in members)
        yield {
            "learner": learner,
            "lane": get_learner(learner).lane,
            "reference": reference,
            "compared": "; ".join(compared),
            "checks": len(members),
            "error": worst.error,
            "gate": worst.check.gate,
        }


def stop_where_unproven(results: Sequence[Result]) -> None:
    """Ends the command where an error passes its gate.

    Raises:
        SystemExit: it names what failed.
    """
    failed = [f"{r.check.learner}, {r.check.quantity}: {r.error:.0e}" for r in results if r.fails]
    if failed:
        raise SystemExit(f"errors that pass their gates: {'; '.join(failed)}.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Checks, prints and writes."""
    chosen = options(__doc__, arguments)
    unchecked = sorted(set(LEARNERS) - {check.learner for check in CHECKS})
    if unchecked:
        raise SystemExit(
            f"learners without a check in benchmarks/learner_references: {', '.join(unchecked)}."
        )
    torch.set_num_threads(1)
    results = [
        Result(check, check.error())
        for check in ordered(CHECKS)
        if not chosen.only or chosen.only in check.learner
    ]
    stop_where_unproven(results)
    rows = list(by_reference(results))
    cells = (
        (
            f"`{r['learner']}`",
            r["lane"],
            r["reference"],
            r["compared"],
            r["checks"],
            f"{r['error']:.0e}",
            f"{r['gate']:.0e}",
        )
        for r in rows
    )
    save("reference_table", chosen, {"rows": rows}, table(HEADS, cells), picture=False)


if __name__ == "__main__":
    main()
