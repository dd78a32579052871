"""Where to go on: at the first unfinished nodes, or further back where memory was lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.runs.commands import Selection, nodes_to_go_on_from, write_command
from med_maml_pipeline.runs.record import seeds_in, without_paths


def _same(value: object) -> object:
    return value


PIPELINE = Pipeline(
    [
        Node(_same, "raw", "a", name="first"),
        Node(_same, "a", "b", name="second"),
        Node(_same, "b", "c", name="third"),
        Node(_same, "a", "d", name="side"),
    ]
)


def _catalog(folder: Path, *stored: str) -> DataCatalog:
    return DataCatalog.from_config(
        {
            name: {
                "type": "med_maml_pipeline.datasets.JsonDataset",
                "filepath": str(folder / name),
                "versioned": True,
            }
            for name in stored
        }
    )


@pytest.mark.parametrize(
    ("stored", "done", "expected"),
    [
        ("abcd", [], ["first"]),
        ("abcd", ["first"], ["second", "side"]),
        ("abcd", ["first", "second", "side"], ["third"]),
        ("acd", ["first", "second", "side"], ["second"]),  # b was held in memory
        ("cd", ["first", "second", "side"], ["first"]),  # a and b were
        ("abcd", ["first", "second", "third", "side"], []),
    ],
)
def test_nodes_to_go_on_from(tmp_path: Path, stored: str, done: list[str], expected: list[str]) -> None:
    found = nodes_to_go_on_from(PIPELINE, done, _catalog(tmp_path, *stored))
    assert found == expected
    if found:
        assert {node.name for node in PIPELINE.nodes} - set(done) <= {
            node.name for node in PIPELINE.from_nodes(*found).nodes
        }


def test_a_command_repeats_what_was_asked(tmp_path: Path) -> None:
    asked = {
        "env": "public",
        "pipeline_names": ["a", "b"],
        "tags": ("t",),
        "namespaces": ["ehr.maml"],
        "run_id": "x",
    }
    selection = Selection.of(asked)
    file = tmp_path / "new" / "x.rerun.yml"
    write_command(file, selection, {"seed": 1, "text": "ü"}, {"b": "2", "a": "1"}, from_nodes=["n2", "n1"])
    assert yaml.safe_load(file.read_text())["run"] == {
        "tags": "t",
        "namespaces": "ehr.maml",
        "pipelines": "a,b",
        "env": "public",
        "from_nodes": "n1,n2",
        "load_versions": "a:1,b:2",
        "params": {"seed": 1, "text": "ü"},
    }
    assert Selection.of({"env": "my env"}).arguments() == " --env 'my env'"
    assert Selection.of({}).arguments() == ""
    given = {"env": "public", "runtime_params": {"budget": "full", "a": {"b": 1, "c": "x y"}}}
    assert Selection.of(given).arguments() == " --env public --params 'budget=full,a.b=1,a.c=x y'"


def test_seeds_are_found_at_any_depth() -> None:
    assert seeds_in({"seed": 1, "a": {"b": {"draw_seed": 2, "seeds": 3}}, "seedling": 4}) == {
        "seed": 1,
        "a.b.draw_seed": 2,
    }


def test_strings_that_look_like_paths_are_masked() -> None:
    document = {"root": "../canary", "list": ["C:\\canary", "quick"], "deep": {"n": 1, "none": None}}
    assert without_paths(document) == {
        "root": "<path>",
        "list": ["<path>", "quick"],
        "deep": {"n": 1, "none": None},
    }
