"""A version is followed back, run by run, to the files from outside."""

from __future__ import annotations

import hashlib
import io
import json

from project_copy import Project
from rich.console import Console

from med_maml_pipeline.reports.lineage_tree import lineage_tree
from med_maml_pipeline.runs.history import History
from med_maml_pipeline.runs.lineage import Origin, origin_of


def _below(origin: Origin) -> dict[str, Origin]:
    found = {one.dataset: one for one in origin.inputs}
    for one in origin.inputs:
        found |= _below(one)
    return found


def test_each_part_names_the_run_that_made_it(project: Project) -> None:
    project.run()
    project.run()
    project.run({"training": {"steps": 5}}, pipeline_names=["train"])
    project.run(pipeline_names=["score"])
    _, second, third, fourth = (record["run_id"] for record in project.records())
    origin = origin_of("score", fourth, History(project.tracking))
    assert (origin.node, origin.record.run_id) == ("score", fourth)
    below = _below(origin)
    assert {name: one.version for name, one in below.items()} == {
        "model": third,
        "parts": second,
        "rows": second,
        "tiny_sources": None,
    }
    assert below["model"].parameters == ["params:training"]
    assert below["model"].record.parameters["training"]["steps"] == 5
    content = hashlib.sha256((project.path / "raw" / "canary_file.csv").read_bytes()).hexdigest()
    fingerprint = hashlib.sha256(json.dumps([[".", content]]).encode()).hexdigest()
    assert below["tiny_sources"].sources["only"]["sha256"] == fingerprint


def test_a_version_without_a_record_ends_the_search_with_its_checksum(project: Project) -> None:
    project.run(pipeline_names=["data"])
    project.run(pipeline_names=["train"])
    made, used = (record["run_id"] for record in project.records())
    (project.tracking / f"{made}.json").unlink()
    (parts,) = origin_of("model", used, History(project.tracking)).inputs
    assert (parts.dataset, parts.version, parts.record) == ("parts", made, None)
    manifest = project.path / "data" / "05_model_input" / "parts" / made / "parts" / "manifest.json"
    assert parts.sha256 == json.loads(manifest.read_text())["fingerprint"]


def test_the_tree_tells_of_each_run_once_and_opens_each_version_once(project: Project) -> None:
    project.run()
    (record,) = project.records()
    stream = io.StringIO()
    tree = lineage_tree(origin_of("score", record["run_id"], History(project.tracking)))
    Console(file=stream, width=120).print(tree)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith(f"score  {record['run_id']}  by score")
    assert sum("seeds: seed 7, training.outer_seed 8" in line for line in lines) == 1
    assert sum(record["parameters_sha256"][:16] in line for line in lines) == 1
    assert lines[-1].strip("│├└─ ").startswith("only  1 file, 41 bytes, sha256 ")
    assert "canary" not in "\n".join(lines)
