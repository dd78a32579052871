"""Stages, modalities and lanes alone; a stage before its inputs; going on after a failure or Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from spine_project import SpineProject

from med_maml_pipeline.learners.registry import LANES
from med_maml_pipeline.modalities import MODALITIES


def test_a_stage_alone_uses_what_is_there(copy: SpineProject) -> None:
    outcome = copy.run("--pipelines", "evaluation")
    assert outcome.code == 0, outcome.output
    first, second = copy.records()
    assert set(second["saved"]) == {"scoreboard", *(f"{modality}_scoreboard" for modality in MODALITIES)}
    assert second["loaded"]["ehr_maml_predictions"] == first["run_id"]
    old, new = (path.read_bytes() for path in copy.versions("scoreboard"))
    assert old == new
    assert "Primary metric" in outcome.output


def test_ensembles_alone_use_the_lanes_that_are_there(copy: SpineProject) -> None:
    outcome = copy.run("--pipelines", "ensembles", "--namespaces", "molecules.ensemble")
    assert outcome.code == 0, outcome.output
    first, second = copy.records()
    assert set(second["seconds"]) == {"molecules.ensemble.combine"}
    for lane in LANES:
        assert second["loaded"][f"molecules_{lane}_validation_predictions"] == first["run_id"]
    assert copy.fingerprint("molecules_ensemble_checkpoints", 0) == copy.fingerprint(
        "molecules_ensemble_checkpoints", 1
    )
    old, new = map(pd.read_parquet, copy.versions("molecules_ensemble_predictions"))
    pd.testing.assert_frame_equal(old, new, check_exact=True)  # seconds too: they are those of the members


@pytest.mark.slow
def test_a_modality_alone_ends_in_its_own_scoreboard_and_report(fresh: SpineProject) -> None:
    outcome = fresh.run("--namespaces", "molecules")
    assert outcome.code == 0, outcome.output
    (record,) = fresh.records()
    assert all("molecules" in name for name in record["saved"])
    assert set(fresh.table("molecules_scoreboard")["modality"]) == {"molecules"}
    assert fresh.versions("molecules_report")[0].stat().st_size > 100_000
    assert "Report: data/08_reporting/test/molecules_report.html" in outcome.output
    assert fresh.versions("scoreboard") == []


def test_a_lane_alone(copy: SpineProject) -> None:
    outcome = copy.run("--namespaces", "molecules.maml")
    assert outcome.code == 0, outcome.output
    record = copy.records()[-1]
    assert set(record["seconds"]) == {"molecules.maml.meta_train", "molecules.maml.adapt"}
    assert len(copy.versions("molecules_maml_checkpoints")) == 2
    assert len(copy.versions("molecules_metric_checkpoints")) == 1


def test_a_stage_before_its_inputs_exist(fresh: SpineProject) -> None:
    outcome = fresh.run("--pipelines", "adaptation")
    assert outcome.code == 1
    last = outcome.output.rstrip().splitlines()[-1]
    assert last.startswith("Error: the run needs ")
    assert last.endswith(
        "make them first with: kedro run --pipelines "
        "synthetic_hospital,ingestion,task_construction,meta_training --env test"
    )
    assert "Traceback" not in outcome.output


@pytest.mark.slow
def test_after_a_failure_the_run_goes_on_and_repeats_nothing(copy: SpineProject) -> None:
    """A checkpoint is damaged, found out, and put right."""
    checkpoint = next(copy.versions("molecules_metric_checkpoints")[0].rglob("protonet.safetensors"))
    sound = checkpoint.read_bytes()
    checkpoint.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    stages = "adaptation,ensembles,evaluation,reporting"
    outcome = copy.run("--pipelines", stages, "--namespaces", "molecules")
    assert outcome.code == 1
    assert outcome.output.rstrip().splitlines()[-1].startswith("Error: a file of dataset")
    failed = copy.records()[-1]
    assert failed["error"] == {"type": "CorruptError", "node": "molecules.metric.adapt"}
    assert copy.half_written() == []
    resume = f"data/09_tracking/{failed['run_id']}.resume.yml"
    assert f"kedro run --config {resume}" in outcome.output

    checkpoint.write_bytes(sound)
    outcome = copy.kedro("run", "--config", resume)
    assert outcome.code == 0, outcome.output
    resumed = copy.records()[-1]
    assert resumed["environment"] == "test"
    assert not failed["seconds"].keys() & resumed["seconds"].keys()
    done = failed["seconds"].keys() | resumed["seconds"].keys()
    assert {f"molecules.{lane}.adapt" for lane in LANES} <= done
    assert {"molecules_ensemble_predictions", "molecules_report"} <= resumed["saved"].keys()
    assert resumed["loaded"]["molecules_classical_predictions"] == failed["run_id"]
    assert len(copy.versions("molecules_classical_predictions")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_in_the_middle_of_training(copy: SpineProject, workers: int) -> None:
    """The terminal sends SIGINT to every process of the group, workers included."""
    endless = f"workers={workers},learners.molecules.maml.quick.steps=10000000"
    process = copy.start(
        *("run", "--env", "test", "--pipelines", "meta_training,adaptation", "--namespaces", "molecules"),
        *("--params", endless),
    )
    deadline = time.monotonic() + 120
    while len(_finished_nodes(copy)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)  # the third node, MAML, trains without end
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode not in (0, None)
    interrupted = copy.records()[-1]
    assert interrupted["status"] == "interrupted", output
    assert interrupted["error"] == {"type": "KeyboardInterrupt", "node": "molecules.maml.meta_train"}
    assert interrupted["seconds"].keys() == {
        "molecules.classical.meta_train",
        "molecules.control.meta_train",
    }
    assert f"kedro run --config data/09_tracking/{interrupted['run_id']}.resume.yml" in output
    assert copy.half_written() == []
    assert len(copy.versions("molecules_maml_checkpoints")) == 1  # the earlier run's
    assert (copy.versions("molecules_control_checkpoints")[1] / "manifest.json").is_file()
    psutil.wait_procs(children, timeout=10)
    assert [child for child in children if child.is_running()] == []


def _finished_nodes(project: SpineProject) -> list[str]:
    records = project.records()
    return list(records[-1]["seconds"]) if len(records) > 1 else []


def test_the_folder_of_the_run_does_not_matter(finished: SpineProject, tmp_path: Path) -> None:
    """What a run stores holds no path of the machine it ran on."""
    for record in finished.tracking.glob("*.json"):
        assert str(finished.path) not in record.read_text()
    for report in finished.versions("report"):
        assert str(finished.path) not in report.read_text(encoding="utf-8")
