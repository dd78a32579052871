"""Fixtures of the report: a fabricated run per modality, and the page of both."""

from __future__ import annotations

import pandas as pd
import pytest
from fabricated_run import FAMILIES, Reported, drawn, fabricate, scored

from med_maml_pipeline.reports import render_report


@pytest.fixture(scope="session")
def reported() -> dict[str, Reported]:
    """A fabricated run per modality, scored and drawn."""
    runs = {name: fabricate(name, families) for name, families in FAMILIES.items()}
    boards = {name: scored(run) for name, run in runs.items()}
    return {name: Reported(run, boards[name], drawn(run, boards[name])) for name, run in runs.items()}


@pytest.fixture(scope="session")
def page(reported: dict[str, Reported]) -> str:
    """The report of both modalities."""
    scoreboard = pd.concat([one.scoreboard for one in reported.values()], ignore_index=True)
    facts = {"run_id": "2026-01-01T00.00.00", "git_commit": "abc1234", "packages": {"torch": "2.13.0"}}
    return render_report(scoreboard, [one.evidence() for one in reported.values()], facts)
