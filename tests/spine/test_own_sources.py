"""Sources of every kind of data added by YAML alone, and none of their secrets told."""

from __future__ import annotations

import json
import re
from collections.abc import ItemsView
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework.project import configure_project, pipelines
from own_pictures import SELDOM
from own_sources import CANARIES, SOURCES, own_sources
from PIL import Image
from spine_project import Outcome, SpineProject


@pytest.fixture
def project(own_run: tuple[SpineProject, Outcome]) -> SpineProject:
    project, outcome = own_run
    assert outcome.code == 0, outcome.output
    return project


def test_each_source_has_tasks_checkpoints_and_rows_of_the_scoreboard(project: SpineProject) -> None:
    for modality, names in SOURCES.items():
        splits = project.table(f"{modality}_tasks").groupby("source")["meta_split"].agg(set)
        assert set(splits.index) == names
        assert all(found == {"train", "validation", "test"} for found in splits), modality
    scoreboard = project.table("scoreboard")
    assert set(scoreboard["source"]) == set.union(*SOURCES.values())
    assert set(scoreboard.query("source == 'my_clinic'")["task_family"]) == {"site"}
    for _, rows in scoreboard.groupby("source"):
        assert {"maml", "protonet", "linear_probe", "fine_tune", "forest"} <= set(rows["learner"])
    assert set(scoreboard.query("source == 'my_arrays'")["task_family"]) == {"finding"}
    assert set(scoreboard.query("source == 'my_studies'")["task_family"]) == {"study"}
    (checkpoints,) = project.versions("ehr_maml_checkpoints")
    assert {path.name for path in checkpoints.iterdir()} > {"my_hospital_condition", "my_clinic_site"}


def test_provenance_holds_a_fingerprint_of_each_source(project: SpineProject) -> None:
    (record,) = project.records()
    for modality, names in SOURCES.items():
        inputs = record["inputs"][f"{modality}_sources"]
        assert inputs.keys() == names
        assert len({source["sha256"] for source in inputs.values()}) == len(names)
    counted = {name: source["files"] for kind in SOURCES for name, source in _inputs(record, kind)}
    assert {"my_hospital": 2, "my_pictures": 83, "my_arrays": 2, "my_cohort": 1}.items() <= counted.items()
    for modality in SOURCES:  # no synthetic source is active: empty snapshots, but for the manifest
        assert len(list(project.versions(f"synthetic_{modality}")[0].rglob("*"))) == 1


def _inputs(record: dict[str, Any], modality: str) -> ItemsView[str, dict[str, Any]]:
    inputs: dict[str, dict[str, Any]] = record["inputs"][f"{modality}_sources"]
    return inputs.items()


def test_unparsable_molecules_are_counted(project: SpineProject) -> None:
    attrition = project.table("molecules_attrition")
    assert attrition["lost"].max() >= 1


def test_excluded_pictures_and_seldom_classes_are_counted(project: SpineProject) -> None:
    read = project.table("imaging_attrition")
    assert read.query("source == 'my_pictures' and lost > 0")["step"].tolist() == ["excluded by 'quality'"]
    made = project.table("imaging_task_attrition").query("source == 'my_pictures'")
    assert made.set_index("step")["lost"].to_dict() == {"finding: too small (classes)": 1}


def told(text: str) -> list[str]:
    """Canaries in a text. Keyed hashes and digests are passed over: some hold any six digits by chance."""
    words = re.sub(r"\b[0-9a-f]{16,}\b", "", text.lower())
    return [canary for canary in CANARIES if canary in words]


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
    where = {Path(name).parts[0] for name in raw}
    assert where == {"arrays", "assays.csv", "clinic.csv", "cohort.h5ad", "export", "pictures", "studies"}
    scans = sorted((project.path / "data" / "01_raw" / "mine" / "pictures" / "scans").iterdir())
    notes = [str(Image.open(scan).info) + str(dict(Image.open(scan).getexif())) for scan in scans]
    assert all("kanarie" in note for note in notes)  # and not in the names of the files alone


def test_no_secret_in_the_log_of_the_run(own_run: tuple[SpineProject, Outcome]) -> None:
    configure_project("med_maml_pipeline")
    assert f"{len(pipelines['__default__'].nodes)} nodes to run" in own_run[1].output
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


def test_a_class_too_rare_for_a_task_is_named_where_examples_are_and_nowhere_else(
    project: SpineProject,
) -> None:
    named = [
        path.relative_to(project.path / "data").parts[0]
        for path in (project.path / "data").rglob("*")
        if path.is_file() and SELDOM.encode() in path.read_bytes()
    ]
    assert sorted(named) == ["01_raw", "02_intermediate"]  # the label table, and the schema of the examples


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
    parts = list(copy.path.glob("data/02_intermediate/mine/*_examples/*/*_examples/my_*/*/*.parquet"))
    assert {path.parts[-6] for path in parts} == {f"{modality}_examples" for modality in SOURCES}
    keys = {key for part in parts for key in pd.read_parquet(part, columns=["group_key"])["group_key"]}
    text = "".join(path.read_text(errors="replace") for path in (build / "api").rglob("*") if path.is_file())
    assert len(keys) > 500
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


def _a_truncated_picture(raw: Path) -> str:
    scan = raw / "pictures" / "scans" / "kanarie_jane_doe_7.jpg"
    scan.write_bytes(scan.read_bytes()[:-400])
    return "my_pictures"


def _an_absent_picture(raw: Path) -> str:
    (raw / "pictures" / "scans" / "kanarie_jane_doe_7.jpg").unlink()
    return "my_pictures"


def _a_damaged_shard(raw: Path) -> str:
    shard = raw / "arrays" / "kanarie_shard_1.npz"
    shard.write_bytes(shard.read_bytes()[:-40])
    return "my_arrays"


def _repeated_samples(raw: Path) -> str:
    table = raw / "studies" / "liver.csv.gz"
    frame = pd.read_csv(table)
    pd.concat([frame, frame.iloc[[3]]]).to_csv(table, index=False)
    return "my_studies"


@pytest.mark.parametrize(
    "defect",
    [
        _unsorted_times,
        _text_among_numbers,
        _a_truncated_picture,
        _an_absent_picture,
        _a_damaged_shard,
        _repeated_samples,
    ],
)
def test_no_secret_in_the_message_of_an_error(fresh: SpineProject, defect) -> None:
    project = SpineProject(own_sources(fresh).path, "mine")
    source = defect(project.path / "data" / "01_raw" / "mine")
    (modality,) = (modality for modality, names in SOURCES.items() if source in names)
    outcome = project.run("--pipelines", "synthetic_hospital,ingestion", "--namespaces", modality)
    assert outcome.code == 1
    assert outcome.output.rstrip().splitlines()[-1].startswith(f"Error: source '{source}'")
    assert told(outcome.output) == []
    assert told_in(project.tracking) == {}
    assert project.records()[-1]["status"] == "failed"
    assert project.versions(f"{modality}_examples") == []
