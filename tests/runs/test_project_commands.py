"""The project's commands as a user gives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.startup import bootstrap_project
from project_copy import Project

from med_maml_pipeline.cli import cli, run
from med_maml_pipeline.errors import DataError
from med_maml_pipeline.runs.claims import is_held


def _command(project: Project, *arguments: str) -> Result:
    """A command in this process; the output is on one line, as the terminal's width varies."""
    return CliRunner().invoke(cli, arguments, obj=bootstrap_project(project.path))


def _words(result: Result) -> str:
    return " ".join(result.output.split())


def test_kedros_own_run_is_left_as_it_is() -> None:
    assert run is kedro_run
    assert set(cli.commands) == {"scoreboard", "lineage", "stale", "rerun", "prune", "look"}


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_explains_itself(name: str) -> None:
    outcome = CliRunner().invoke(cli, [name, "--help"])
    assert outcome.exit_code == 0
    assert "Example" in outcome.output
    assert all(option.help for option in cli.commands[name].params if option.param_type_name == "option")


def test_rerun_repeats(project: Project) -> None:
    project.run({"training": {"steps": 5}})
    outcome = _command(project, "rerun", "latest")
    assert outcome.exit_code == 0, outcome.output
    first, second = project.records()
    assert second["parameters"] == first["parameters"]
    assert set(second["saved"].values()) == {second["run_id"]}


@pytest.mark.parametrize("arguments", [["nonsense"], ["--resume", "nonsense"]])
def test_an_unknown_run_is_told_in_one_sentence(project: Project, arguments: list[str]) -> None:
    empty = _command(project, "rerun", *arguments)
    assert empty.exit_code == 1
    assert empty.output == "Error: there is no record of a run 'nonsense'; there are no runs yet\n"
    for _ in range(4):
        project.run(pipeline_names=["data"])
    outcome = _command(project, "rerun", *arguments)
    ids = [record["run_id"] for record in project.records()]
    assert outcome.exit_code == 1
    assert outcome.output == (
        f"Error: there is no record of a run 'nonsense'; the newest runs: {', '.join(ids[:0:-1])}\n"
    )


def test_resume_after_a_failure(project: Project) -> None:
    with pytest.raises(DataError):
        project.run({"training": {"mode": "fail"}})
    (failed,) = project.records()
    file = project.tracking / f"{failed['run_id']}.resume.yml"
    file.write_text(file.read_text().replace("mode: fail", "mode: ok"))
    outcome = _command(project, "rerun", "--resume", failed["run_id"])
    assert outcome.exit_code == 0, outcome.output
    resumed = project.records()[1]
    assert set(resumed["saved"]) == {"model", "score"}
    assert resumed["loaded"]["parts"] == failed["run_id"]


def test_resume_of_a_killed_run_but_not_of_a_living_one(project: Project, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    process = project.start_kedro_run("--params", f"training.mode=wait,training.flag={flag}")
    deadline = time.monotonic() + 60
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (living,) = project.records()
    refused = _command(project, "rerun", "--resume", "latest")
    assert refused.exit_code == 1
    assert "is still at work" in refused.output
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert is_held(project.tracking, living["run_id"]) is False
    project.run(pipeline_names=["data"])  # a later run's data must not be taken

    command = project.tracking / f"{living['run_id']}.rerun.yml"
    command.write_text(command.read_text().replace("mode: wait", "mode: ok"))
    outcome = _command(project, "rerun", "--resume", living["run_id"])
    assert outcome.exit_code == 0, outcome.output
    resumed = project.records()[-1]
    assert set(resumed["saved"]) == {"model", "score"}
    assert resumed["loaded"]["parts"] == living["run_id"]


def test_there_is_nothing_to_resume(project: Project) -> None:
    project.run()
    outcome = _command(project, "rerun", "--resume", "latest")
    assert outcome.exit_code == 1
    assert "has finished all its nodes; nothing is left to go on with" in outcome.output


def test_lineage(project: Project) -> None:
    project.run()
    project.run()
    first, second = (record["run_id"] for record in project.records())
    assert f"score {second} by score" in _words(_command(project, "lineage", "score"))
    assert f"model {first} by tiny.maml.train" in _words(
        _command(project, "lineage", "score", "--version", "previous")
    )
    unknown = _command(project, "lineage", "scor")
    assert (unknown.exit_code, unknown.output) == (
        1,
        "Error: unknown dataset 'scor'; did you mean 'score'?\n",
    )
    absent = _command(project, "lineage", "score", "--version", "2020")
    assert absent.output == (
        f"Error: dataset 'score' has no version '2020'; the newest versions: {second}, {first}\n"
    )


def test_stale(project: Project) -> None:
    assert "No dataset has a version yet." in _command(project, "stale", "--check").output
    project.run()
    fresh = _command(project, "stale", "--check")
    assert fresh.exit_code == 0
    assert "0 of 4 datasets are stale." in fresh.output
    stale = _command(project, "stale", "--params", "training.steps=4")
    assert stale.exit_code == 0
    assert "2 of 4 datasets are stale." in stale.output
    assert "parameters training.steps" in _words(stale)
    assert stale.output.rstrip().endswith("kedro run --from-nodes tiny.maml.train --params training.steps=4")
    assert _command(project, "stale", "--check", "--params", "training.steps=4").exit_code == 1


def test_the_command_that_stale_names_leaves_nothing_stale(project: Project) -> None:
    project.run()
    parameters = project.path / "conf" / "base" / "parameters.yml"
    parameters.write_text(parameters.read_text().replace("steps: 3", "steps: 4"))
    command = _command(project, "stale").output.rsplit("kedro run", 1)[1].split()
    assert project.kedro_run(*command).exit_code == 0
    assert _command(project, "stale", "--check").exit_code == 0


def test_prune(project: Project) -> None:
    for _ in range(3):
        project.run()
    half = project.path / "data" / "06_models" / "model.json" / ".2020-01-01T00.00.00.000Z.partial-99999999"
    half.mkdir()
    before = sorted(project.path.rglob("*"))
    shown = _command(project, "prune", "--keep", "2", "--dry-run")
    assert sorted(project.path.rglob("*")) == before
    assert "Would be freed" in shown.output
    done = _command(project, "prune", "--keep", "2")
    for outcome in (shown, done):
        rows = {tuple(line.split()[:-1]) for line in outcome.output.splitlines()}
        assert {("06_models/model.json", "1"), ("05_model_input/parts", "1"), ("total", "5")} <= rows
        assert ("half-written", "by", "killed", "runs", "1") in rows
    assert not half.exists()
    assert len(project.versions("06_models/model.json")) == 2
    assert len(project.records()) == 3
    assert _command(project, "prune", "--keep", "0").exit_code == 2


def test_kedro_finds_the_commands(project: Project) -> None:
    def kedro(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=project.path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    listed = kedro("--help")
    assert all(f"\n  {name} " in listed for name in (*cli.commands, "run", "registry"))
    assert "--only-missing-outputs" in kedro("run", "--help")
