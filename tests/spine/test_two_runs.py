"""Two runs at the same time in one project: each reads only what it made itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from spine_project import SpineProject

SLICE = (
    *("run", "--env", "test", "--namespaces", "molecules"),
    *("--pipelines", "synthetic_hospital,ingestion,task_construction"),
)
COMPARED = ("molecules_tasks", "molecules_pools", "molecules_episodes")


def _by_seed(project: SpineProject) -> dict[int, list[dict[str, Any]]]:
    """Records by seed, oldest first."""
    found: dict[int, list[dict[str, Any]]] = {}
    for record in project.records():
        found.setdefault(record["seeds"]["seed"], []).append(record)
    return found


def _bytes(project: SpineProject, dataset: str, version: str) -> bytes:
    (path,) = (path for path in project.versions(dataset) if path.parent.name == version)
    return path.read_bytes()


@pytest.mark.slow
def test_two_runs_at_the_same_time_never_read_each_others_versions(fresh: SpineProject) -> None:
    together = [fresh.start(*SLICE, "--params", f"seed={seed}") for seed in (1, 2)]
    for process in together:
        output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output
    spans = sorted((record["started"], record["finished"]) for record in fresh.records())
    assert all(before[1] > after[0] for before, after in pairwise(spans))  # they did overlap

    for record in fresh.records():
        made = dict.fromkeys(record["saved"], record["run_id"])
        assert record["status"] == "success"
        assert record["saved"] == made
        assert record["loaded"].items() <= made.items()
        assert {"synthetic_molecules", "molecules_examples"} <= record["loaded"].keys()

    for seed in (1, 2):  # alone, with the same identifier key: the same bytes
        outcome = fresh.kedro(*SLICE, "--params", f"seed={seed}")
        assert outcome.code == 0, outcome.output
    for records in _by_seed(fresh).values():
        crowded, alone = (record["run_id"] for record in records)
        for name in COMPARED:
            assert _bytes(fresh, name, crowded) == _bytes(fresh, name, alone), name
    one, two = (records[0]["run_id"] for records in _by_seed(fresh).values())
    for name in COMPARED:  # else equal bytes would prove nothing
        assert _bytes(fresh, name, one) != _bytes(fresh, name, two), name
    assert fresh.half_written() == []
    assert fresh.network_attempts() == []


def test_the_scoreboards_of_two_runs_are_compared(copy: SpineProject) -> None:
    outcome = copy.run("--pipelines", "evaluation")
    assert outcome.code == 0, outcome.output
    compared = copy.kedro("scoreboard", "--env", "test", "previous", "latest")
    assert compared.code == 0, compared.output
    assert "comparable episode by episode" in compared.output
    assert " other" not in compared.output.replace("other cases", "")
    latest = copy.kedro("scoreboard", "--env", "test", "--modality", "molecules")
    assert "synthetic_assays" in latest.output
    assert "synthetic_hospital" not in latest.output
    absent = copy.kedro("scoreboard", "--env", "test", "2020")
    ids = [record["run_id"] for record in copy.records()]
    assert (absent.code, absent.output) == (
        1,
        f"Error: dataset 'scoreboard' has no version '2020'; the newest versions: {ids[1]}, {ids[0]}\n",
    )


def test_nothing_is_stale_after_a_run_and_the_report_goes_back_to_the_embedded_hospital(
    finished: SpineProject,
) -> None:
    stale = finished.kedro("stale", "--env", "test", "--check")
    assert stale.code == 0, stale.output
    assert "up to date" in stale.output
    lineage = finished.kedro("lineage", "--env", "test", "report")
    assert lineage.code == 0, lineage.output
    for word in ("by ehr.maml.meta_train", "by molecules.ingest", "synthetic_ehr", "seed 0"):
        assert word in lineage.output
