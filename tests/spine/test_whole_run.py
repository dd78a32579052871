"""One run from raw files to the report: every artifact, an honest scoreboard, a report that stands alone."""

from __future__ import annotations

import re

import pytest
from kedro.framework.project import configure_project, pipelines
from spine_project import Outcome, SpineProject

from med_maml_pipeline.learners.ensembles import ENSEMBLES
from med_maml_pipeline.learners.registry import CORE, LANES, get_learner
from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL, CHOSEN_OURS
from med_maml_pipeline.metrics.schema import SCOREBOARD_COLUMNS
from med_maml_pipeline.modalities import MODALITIES

CELL = ["modality", "source", "task_family", "fold", "n_shot", "support_size", "metric", "protocol"]


@pytest.fixture(scope="module")
def outputs() -> set[str]:
    configure_project("med_maml_pipeline")
    return pipelines["__default__"].all_outputs()


def test_every_output_of_the_catalog_exists_as_one_version_of_that_run(
    finished: SpineProject, outputs: set[str]
) -> None:
    (record,) = finished.records()
    assert record["status"] == "success"
    assert record["saved"].keys() == outputs
    for name in outputs:
        assert [path.parent.name for path in finished.versions(name)] == [record["run_id"]], name
    assert finished.half_written() == []


def test_the_scoreboard_has_the_agreed_columns_and_every_lane(finished: SpineProject) -> None:
    scoreboard = finished.table("scoreboard")
    assert tuple(scoreboard.columns) == SCOREBOARD_COLUMNS
    assert set(scoreboard["modality"]) == set(MODALITIES)
    assert set(scoreboard["learner"]) == {*CORE, *ENSEMBLES, CHOSEN_CLASSICAL, CHOSEN_OURS}
    lanes = {get_learner(name).lane for name in CORE} | {"ensemble"}
    assert lanes == {*LANES, "ensemble"} - {"maml", "model"} | {
        "optimisation"
    }  # nobody of 'model' is in core
    assert all(lanes == found for found in scoreboard.groupby("modality")["lane"].agg(set))


def test_all_learners_of_a_cell_are_judged_on_the_same_episodes(finished: SpineProject) -> None:
    scoreboard = finished.table("scoreboard")
    cells = scoreboard.groupby(CELL, dropna=False)
    assert (cells["episodes_checksum"].nunique() == 1).all()
    always_defined = scoreboard[scoreboard["metric"].isin(["accuracy", "brier"])].groupby(CELL, dropna=False)
    assert (always_defined["n_episodes"].nunique() == 1).all()
    assert cells["learner"].nunique().min() >= 8


def test_the_reports_stand_alone(finished: SpineProject) -> None:
    for name in ("report", *(f"{modality}_report" for modality in MODALITIES)):
        text = finished.versions(name)[-1].read_text(encoding="utf-8")
        assert "not a medical device" in text
        assert not re.search(r"<(script|img|iframe|link)\b[^>]*\b(src|href)\s*=\s*[\"']?(https?:)?//", text)
        assert not re.search(r"@import|url\(\s*[\"']?https?:", text)


def test_the_terminal_ends_with_the_scoreboard_and_the_path_of_the_report(
    whole_run: tuple[SpineProject, Outcome], outputs: set[str]
) -> None:
    n_nodes = len(pipelines["__default__"].nodes)
    project, outcome = whole_run
    *_, last = outcome.output.rstrip().splitlines()
    assert last.startswith("Report: data/08_reporting/")
    assert (project.path / last.removeprefix("Report: ")).is_file()
    table = outcome.output[outcome.output.index("Primary metric") :]
    sources = ("synthetic_hospital", "synthetic_assays", "synthetic_slides", "synthetic_scans")
    for word in ("MAML", *sources, "synthetic_expression", "Research use only"):
        assert word in table
    assert f"[{n_nodes}/{n_nodes}]" in outcome.output


def test_no_name_was_looked_up_and_nothing_was_connected_to(finished: SpineProject) -> None:
    """The guard of `network_guard` is at work in every command that these tests start."""
    assert finished.network_attempts() == []


def test_the_small_environment_is_small(finished: SpineProject) -> None:
    (record,) = finished.records()
    assert record["peak_memory_mib"] < 1536


def test_no_lock_file_of_the_identifier_key_is_left(finished: SpineProject) -> None:
    assert len(list((finished.path / "conf").glob("*identifier.key*"))) == 1
    assert (finished.path / "conf" / "identifier.key").stat().st_mode & 0o077 == 0
