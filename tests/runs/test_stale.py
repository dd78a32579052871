"""What is stale, why, and the command that makes it anew."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from project_copy import Project

from med_maml_pipeline.runs.opened import open_project
from med_maml_pipeline.runs.refresh import refresh_command
from med_maml_pipeline.runs.staleness import State, states


def _states(project: Project, **params: object) -> dict[str, State]:
    return {state.dataset: state for state in states(open_project(project.path, None, params))}


def _command(project: Project) -> str | None:
    opened = open_project(project.path)
    return refresh_command(opened, states(opened), " --env local")


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_nothing_is_stale_after_a_run(project: Project) -> None:
    assert _states(project) == {}
    project.run()
    found = _states(project)
    assert list(found) == ["rows", "parts", "model", "score"]
    assert not any(state.stale for state in found.values())
    assert _command(project) is None


def test_a_parameter_makes_its_node_and_all_behind_it_stale(project: Project) -> None:
    project.run()
    _edit(project.path / "conf" / "base" / "parameters.yml", "steps: 3", "steps: 4")
    found = _states(project)
    assert [name for name, state in found.items() if state.stale] == ["model", "score"]
    assert found["model"].parameters == ("training.steps",)
    assert (found["score"].own, found["score"].upstream) == (False, ("tiny.maml.train",))
    assert _command(project) == "kedro run --from-nodes tiny.maml.train --env local"
    assert not _states(project, training={"steps": 3})["model"].stale  # as given with --params


def test_a_masked_parameter_is_compared_where_the_command_to_repeat_holds_it(project: Project) -> None:
    project.run()
    (record,) = project.records()
    _edit(project.path / "conf" / "base" / "parameters.yml", "conf/canary_key", "conf/other_key")
    assert _states(project)["model"].parameters == ("training.key_file",)
    (project.tracking / f"{record['run_id']}.rerun.yml").unlink()
    assert _states(project)["model"].parameters == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("raw/canary_file.csv", "2,canary_other", "3,canary_other", "only has other content"),
        ("conf/base/catalog.yml", "{target: num,", "{target: name,", "only configured otherwise"),
        ("conf/base/catalog.yml", "canary_file", "absent", "tiny_sources: files are not where"),
    ],
)
def test_a_source_that_changed(project: Project, file: str, old: str, new: str, why: str) -> None:
    project.run()
    _edit(project.path / file, old, new)
    found = _states(project)
    assert all(state.stale for state in found.values())
    (reason,) = found["rows"].sources
    assert reason.startswith(why)
    assert found["score"].upstream == ("read",)
    assert _command(project) == "kedro run --env local"


def test_a_newer_input(project: Project) -> None:
    project.run()
    project.run(pipeline_names=["data"])
    found = _states(project)
    assert [name for name, state in found.items() if state.stale] == ["model", "score"]
    assert found["model"].inputs == ("parts",)
    assert _command(project) == "kedro run --from-nodes tiny.maml.train --env local"


def test_a_version_that_no_record_tells_of(project: Project) -> None:
    project.run()
    for record in project.tracking.glob("*.json"):
        record.unlink()
    assert all(state.stale and not state.recorded for state in _states(project).values())


def test_the_command_ends_where_data_were_never_made(project: Project) -> None:
    """A run of one part must not be told to run into what needs another."""
    registry = project.path / "src" / "tiny_project" / "pipeline_registry.py"
    _edit(registry, 'Node(score, "model", "score"', 'Node(lambda a, b: a, ["model", "never"], "score"')
    project.run(pipeline_names=["data"])
    project.run(pipeline_names=["train"])
    _edit(project.path / "conf" / "base" / "parameters.yml", "steps: 3", "steps: 4")
    assert _command(project) == ("kedro run --from-nodes tiny.maml.train --to-outputs model --env local")


def test_code_that_a_node_can_reach(project: Project) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=project.path, check=True
        )

    project.run()
    assert _states(project)["rows"].code is None  # no repository
    git("init", "-q")
    (project.path / ".gitignore").write_text("data/\n__pycache__/\n")
    git("add", ".")
    git("commit", "-qm", "x")
    project.run()
    assert _states(project)["rows"].code == ()
    (project.path / "src" / "tiny_project" / "unrelated.py").write_text("x = 1\n")
    assert not _states(project)["rows"].stale
    registry = project.path / "src" / "tiny_project" / "pipeline_registry.py"
    registry.write_text(registry.read_text() + "\n# changed\n")
    assert _states(project)["rows"].code == ("src/tiny_project/pipeline_registry.py",)
