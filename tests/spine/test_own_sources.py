"""A MEDS export, a table and a SMILES file added by YAML alone, and none of their secrets told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from own_sources import CANARIES, own_sources
from spine_project import Outcome, SpineProject

SOURCES = {"ehr": {"my_hospital", "my_clinic"}, "molecules": {"my_assays"}}


@pytest.fixture
def project(own_run: tuple[SpineProject, Outcome]) -> SpineProject:
    project, outcome = own_run
    assert outcome.code == 0, outcome.output
    return project


def test_each_source_has_tasks_checkpoints_and_rows_of_the_scoreboard(project: SpineProject) -> None:
    for modality, names in SOURCES.items():
        splits = project.table(f"{modality}_tasks").groupby("source")["meta_split"].agg(set)
        assert set(splits.index) == names
        assert all(found == {"train", "validation", "test"} for found in splits)
    scoreboard = project.table("scoreboard")
    assert set(scoreboard["source"]) == set.union(*SOURCES.values())
    assert set(scoreboard.query("source == 'my_clinic'")["task_family"]) == {"site"}
    assert {"maml", "forest"} <= set(scoreboard.query("source == 'my_hospital'")["learner"])
    (checkpoints,) = project.versions("ehr_maml_checkpoints")
    assert {path.name for path in checkpoints.iterdir()} > {"my_hospital_condition", "my_clinic_site"}


def test_provenance_holds_a_fingerprint_of_each_source(project: SpineProject) -> None:
    (record,) = project.records()
    assert record["inputs"]["ehr_sources"].keys() == SOURCES["ehr"]
    assert record["inputs"]["ehr_sources"]["my_hospital"]["files"] == 2
    assert project.versions("synthetic_ehr")[0].name  # an empty snapshot: no synthetic source is active
    assert len(list(project.versions("synthetic_ehr")[0].rglob("*"))) == 1  # its manifest


def test_unparsable_molecules_are_counted(project: SpineProject) -> None:
    attrition = project.table("molecules_attrition")
    assert attrition["lost"].max() >= 1


def told(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text.lower()]


def told_in(folder: Path) -> dict[str, list[str]]:
    """Canaries by file, names of files included. Parquet is decoded, anything else searched as text."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = path.name
        if path.suffix == ".parquet":
            content += pd.read_parquet(path).to_json()
        elif path.is_file():
            content += path.read_bytes().decode("utf-8", errors="replace")
        if hits := told(content):
            found[str(path.relative_to(folder))] = hits
    return found


def test_the_secrets_are_in_the_raw_data(project: SpineProject) -> None:
    raw = told_in(project.path / "data" / "01_raw" / "mine")
    assert {hit for hits in raw.values() for hit in hits} == set(CANARIES)
    assert len(raw) == 4


def test_no_secret_in_the_log_of_the_run(own_run: tuple[SpineProject, Outcome]) -> None:
    assert "37 nodes to run" in own_run[1].output
    assert told(own_run[1].output) == []


@pytest.mark.parametrize(
    "layer", ["05_model_input", "06_models", "07_model_output", "08_reporting", "09_tracking"]
)
def test_no_secret_in_anything_the_run_made(project: SpineProject, layer: str) -> None:
    assert list((project.path / "data" / layer).rglob("*"))
    assert told_in(project.path / "data" / layer) == {}


def test_no_secret_but_the_measured_value_in_the_examples(project: SpineProject) -> None:
    hits = told_in(project.path / "data" / "02_intermediate")
    assert {hit for found in hits.values() for hit in found} <= {"31337.4"}
    for modality in SOURCES:
        assert told(project.table(f"{modality}_attrition").to_csv()) == []


def test_no_secret_and_no_key_of_a_group_in_the_viz_build(project: SpineProject, tmp_path: Path) -> None:
    """With previews of everything that may be previewed."""
    copy = project.copied(tmp_path / "project")
    outcome = copy.kedro("viz", "build", "--include-previews")
    assert outcome.code == 0, outcome.output
    assert told(outcome.output) == []
    build = copy.path / "build"
    assert (build / "index.html").is_file()
    nodes = [json.loads(path.read_text()) for path in (build / "api" / "nodes").iterdir()]
    assert sum(bool(node.get("preview")) for node in nodes) > 10
    assert told_in(build) == {}
    part = next(copy.path.glob("data/02_intermediate/mine/ehr_examples/*/ehr_examples/my_clinic/*/*.parquet"))
    keys = set(pd.read_parquet(part)["group_key"])
    text = "".join(path.read_text(errors="replace") for path in (build / "api").rglob("*") if path.is_file())
    assert len(keys) > 100
    assert not keys & set(re.findall(r"[0-9a-f]{16}", text))


def test_the_build_needs_nothing_from_elsewhere(finished: SpineProject, tmp_path: Path) -> None:
    copy = finished.copied(tmp_path / "project")
    assert copy.kedro("viz", "build").code == 0
    index = (copy.path / "build" / "index.html").read_text()
    assert not re.search(r"<(script|img|iframe)\b[^>]*\bsrc=[\"']?(https?:)?//", index)
    assert "heap" not in index


def _unsorted_times(raw: Path) -> str:
    shard = next((raw / "export" / "data").iterdir())
    frame = pd.read_parquet(shard)
    timed = frame.index[frame["time"].notna()][:4]
    frame.loc[timed, "time"] = frame.loc[timed, "time"].to_numpy()[::-1]
    frame.to_parquet(shard)
    return "my_hospital"


def _text_among_numbers(raw: Path) -> str:
    frame = pd.read_csv(raw / "clinic.csv")
    frame["marker"] = frame["marker"].astype(object)
    frame.loc[4, "marker"] = "kanarie-marker"
    frame.to_csv(raw / "clinic.csv", index=False)
    return "my_clinic"


@pytest.mark.parametrize("defect", [_unsorted_times, _text_among_numbers])
def test_no_secret_in_the_message_of_an_error(fresh: SpineProject, defect) -> None:
    project = SpineProject(own_sources(fresh).path, "mine")
    source = defect(project.path / "data" / "01_raw" / "mine")
    outcome = project.run("--pipelines", "synthetic_hospital,ingestion", "--namespaces", "ehr")
    assert outcome.code == 1
    assert outcome.output.rstrip().splitlines()[-1].startswith(f"Error: source '{source}'")
    assert told(outcome.output) == []
    assert told_in(project.tracking) == {}
    assert project.records()[-1]["status"] == "failed"
    assert project.versions("ehr_examples") == []
