"""Every run leaves a record and the command to repeat it; whoever was treated stays unknown."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from project_copy import Project

from med_maml_pipeline.datasets import JsonDataset
from med_maml_pipeline.datasets.staging import SaveError
from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.runs import tracking
from med_maml_pipeline.runs.inputs import MissingInputError
from med_maml_pipeline.runs.record import RunRecord


def test_a_run_that_succeeds(project: Project) -> None:
    project.run()
    (record,) = project.records()
    run_id = record["run_id"]
    assert record["status"] == "success"
    assert record["started"] < record["finished"]
    assert record["environment"] is None  # the project's default
    assert set(record["saved"]) == {"rows", "parts", "model", "score"}
    assert record["saved"] == record["loaded"] | {"score": run_id}
    assert set(record["saved"].values()) == {run_id}
    assert set(record["seconds"]) == {"read", "tiny.split", "tiny.maml.train", "score"}
    assert record["seeds"] == {"seed": 7, "training.outer_seed": 8}
    assert record["parameters"]["training"]["steps"] == 3
    assert record["packages"]["torch"][0].isdigit()
    assert record["peak_memory_mib"] > 10
    assert record["device"]["cpus"] >= 1
    assert record["error"] is None
    source = record["inputs"]["tiny_sources"]["only"]
    content = hashlib.sha256((project.path / "raw" / "canary_file.csv").read_bytes()).hexdigest()
    assert (source["files"], source["size"]) == (1, (project.path / "raw" / "canary_file.csv").stat().st_size)
    assert source["sha256"] == hashlib.sha256(json.dumps([[".", content]]).encode()).hexdigest()


def test_the_hash_of_parameters_follows_their_values(project: Project) -> None:
    for steps in (3, 3, 4):
        project.run({"training": {"steps": steps}})
    first, same, other = (record["parameters_sha256"] for record in project.records())
    assert first == same != other
    assert len({record["catalog_sha256"] for record in project.records()}) == 1


def test_the_commit_and_whether_the_tree_differs(project: Project) -> None:
    def git(*arguments: str) -> str:
        return subprocess.check_output(
            ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=project.path, text=True
        ).strip()

    git("init", "-q")
    (project.path / ".gitignore").write_text("data/\n__pycache__/\n")
    git("add", ".")
    git("commit", "-qm", "x")
    project.run()
    (project.path / "new.txt").touch()
    project.run()
    clean, dirty = project.records()
    assert clean["code"] == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert dirty["code"]["dirty"] is True


def test_a_run_that_fails(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="canary-free sentence"):
        project.run({"training": {"mode": "fail"}})
    (record,) = project.records()
    assert record["status"] == "failed"
    assert record["error"] == {"type": "DataError", "node": "tiny.maml.train"}
    assert set(record["saved"]) == {"rows", "parts"}
    assert project.versions("05_model_input/parts") == [record["run_id"]]
    message = next(m for m in caplog.messages if "Go on with" in m)
    assert "failed at node tiny.maml.train; 2 of 4 nodes are finished and stay" in message
    assert f"kedro run --config data/09_tracking/{record['run_id']}.resume.yml" in message
    assert '--from-nodes "tiny.maml.train"' in message


@pytest.mark.parametrize("mode", ["interrupt", "terminate"])
def test_an_interrupt_in_the_middle_of_training(
    project: Project, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    """Ctrl-C raises KeyboardInterrupt; SIGTERM, which else kills at once, is made to do the same."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        project.run({"training": {"mode": mode}})
    (record,) = project.records()
    assert record["status"] == "interrupted"
    assert record["error"] == {"type": "KeyboardInterrupt", "node": "tiny.maml.train"}
    assert any("was interrupted at node tiny.maml.train; 2 of 4" in m for m in caplog.messages)
    assert not (project.path / "data" / "06_models").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_ctrl_c_at_a_terminal_and_the_command_it_names(project: Project, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    process = project.start_kedro_run("--params", f"training.mode=wait,training.flag={flag}")
    deadline = time.monotonic() + 60
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=30)[0].replace("\n", "")  # log lines are wrapped
    assert process.returncode != 0
    (record,) = project.records()
    assert record["status"] == "interrupted"
    name = f"data/09_tracking/{record['run_id']}.resume.yml"
    assert name.replace(" ", "") in output.replace(" ", "")
    again = project.kedro_run("--config", name, "--params", "training.mode=ok,training.steps=3")
    assert again.exit_code == 0, again.output
    resumed = project.records()[1]
    assert set(resumed["saved"]) == {"model", "score"}
    assert resumed["loaded"]["parts"] == record["run_id"]


def test_going_on_reads_what_the_broken_run_made_and_not_a_later_run(project: Project) -> None:
    with pytest.raises(DataError):
        project.run({"training": {"mode": "fail"}})
    broken = project.records()[0]["run_id"]
    project.run(pipeline_names=["data"])
    resume = project.command(broken, "resume")
    assert resume["from_nodes"] == "tiny.maml.train"
    assert resume["load_versions"] == f"parts:{broken}"
    assert resume["params"]["training"]["mode"] == "fail"


def test_the_command_to_repeat_pins_external_inputs_only(project: Project) -> None:
    project.run()
    first = project.records()[0]["run_id"]
    whole = project.command(first, "rerun")
    assert not {"load_versions", "env", "from_nodes"} & set(whole)
    assert whole["params"] == {
        "seed": 7,
        "training": {"mode": "ok", "steps": 3, "outer_seed": 8, "key_file": "conf/canary_key"},
    }
    project.run(
        {"training": {"steps": 5}}, "other", pipeline_names=["train", "score"], namespaces=["tiny.maml"]
    )
    part = project.command(project.records()[1]["run_id"], "rerun")
    assert part["load_versions"] == f"parts:{first}"
    assert set(part["pipelines"].split(",")) == {"train", "score"}
    assert part["namespaces"] == "tiny.maml"
    assert part["env"] == "other"
    assert part["params"]["training"]["steps"] == 5


def test_repeating_a_stage_gives_the_same_bytes_after_all_has_changed(project: Project) -> None:
    """The real ``kedro run --config``: trains again, from the old inputs, under the old parameters."""
    project.run()
    project.run(pipeline_names=["train"])
    first = project.records()[1]["run_id"]
    (project.path / "raw" / "canary_file.csv").write_text("num,name\n100,canary_patient\n")
    parameters = project.path / "conf" / "base" / "parameters.yml"
    parameters.write_text(parameters.read_text().replace("steps: 3", "steps: 99"))
    project.run()
    again = project.kedro_run("--config", f"data/09_tracking/{first}.rerun.yml")
    assert again.exit_code == 0, again.output
    versions = project.versions("06_models/model.json")
    assert len(versions) == 4  # trained again
    contents = [(project.path / f"data/06_models/model.json/{v}/model.json").read_bytes() for v in versions]
    assert contents[3] == contents[1] == contents[0] != contents[2]


def test_nobody_is_named(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for logger in ("", "kedro", "med_maml_pipeline"):
        caplog.set_level(logging.DEBUG, logger)
    monkeypatch.setenv("LOGNAME", "canaryuser")
    outcome = project.kedro_run("--params", "training.mode=fail")
    assert outcome.exit_code == 1
    assert outcome.output.endswith("Error: source 'tiny': canary-free sentence.\n")
    (record,) = project.tracking.glob("*Z.json")
    for secret in ("canary", socket.gethostname(), str(project.path), "/home", "/root", "/tmp"):
        assert secret not in record.read_text()
    commands = "".join(path.read_text() for path in project.tracking.glob("*.yml"))
    for secret in ("canary_patient", "canary_file", "canaryuser", str(project.path)):
        assert secret not in commands
    logged = "\n".join(caplog.messages)
    assert "Loading data from" in logged  # Kedro's own messages are among them
    assert "canary_patient" not in logged
    assert "canary_file" not in logged


def test_a_full_disk_while_saving_the_model(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the model on nothing can be written, the record included: the user still learns what to do."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def save_when_full(self: JsonDataset, data: object, path: Path) -> None:
        monkeypatch.setattr(RunRecord, "write", full)
        monkeypatch.setattr(tracking, "write_command", full)
        full()

    monkeypatch.setattr(JsonDataset, "_write", save_when_full)
    with pytest.raises(SaveError, match="'model.json' could not be saved: no room left"):
        project.run({"seed": 9})
    assert project.versions("06_models/model.json") == []
    assert "The record of this run could not be written: No space left on device" in caplog.messages
    assert (
        "The run failed at node tiny.maml.train; 2 of 4 nodes are finished and stay. "
        'Go on with: kedro run --from-nodes "tiny.maml.train" --params seed=9'
    ) in caplog.messages


@pytest.mark.parametrize(
    ("names", "missing", "makers"),
    [
        (["train"], "'parts', which does", "data"),
        (["score"], "'model', which does", "data,train"),
    ],
)
def test_a_stage_before_its_inputs_exist(
    project: Project, names: list[str], missing: str, makers: str
) -> None:
    with pytest.raises(MissingInputError) as caught:
        project.run({"seed": 9}, "other", pipeline_names=names)
    assert str(caught.value) == (
        f"the run needs {missing} not exist yet; "
        f"make them first with: kedro run --pipelines {makers} --env other --params seed=9"
    )
    (record,) = project.records()
    assert (record["status"], record["seconds"]) == ("failed", {})
    assert not list(project.tracking.glob("*.rerun.yml"))


def test_an_unknown_source_or_a_missing_file_stops_before_the_first_node(project: Project) -> None:
    catalog = project.path / "conf" / "base" / "catalog.yml"
    text = catalog.read_text()
    catalog.write_text(text.replace("[only]", "[onli]"))
    with pytest.raises(ConfigurationError, match="'onli' is not configured; did you mean 'only'?"):
        project.run()
    catalog.write_text(text.replace("canary_file", "absent"))
    with pytest.raises(DataError, match="no such file or folder"):
        project.run()
    assert [record["status"] for record in project.records()] == ["failed", "failed"]
    assert not (project.path / "data" / "02_intermediate").exists()


def test_progress_is_told_per_node(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    project.run()
    told = [m for m in caplog.messages if m.startswith("[")]
    assert [m.split(":")[0] for m in told] == [
        "[1/4] read",
        "[2/4] tiny · split",
        "[3/4] tiny.maml · train",
        "[4/4] score",
    ]
    assert all("left" in m for m in told[:3])
    assert "left" not in told[3]
    assert "4 nodes to run" in caplog.messages
    caplog.clear()
    project.run()
    assert any(m.startswith("4 nodes to run, about ") for m in caplog.messages)  # known from the first run


def test_records_of_other_makes_do_not_disturb(project: Project) -> None:
    project.tracking.mkdir(parents=True)
    (project.tracking / "zzz.json").write_text("not json")
    (project.tracking / "zz.json").write_text("[]")
    project.run()
    found: dict[str, Any] = json.loads(next(project.tracking.glob("2*.json")).read_text())
    assert found["status"] == "success"
