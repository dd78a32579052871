"""``kedro run`` killed in the middle of a meta-training, and started again: the same checkpoints."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from spine_project import SpineProject

from med_maml_pipeline.learners.state_file import read_state

KILLS, STEPS = 2, 60
RUN = (
    *("--pipelines", "meta_training", "--namespaces", "ehr.maml"),
    *("--params", f"roster=[maml],learners.ehr.maml.quick.steps={STEPS},state.every=0"),
)
CHECKPOINTS = "ehr_maml_checkpoints"

Progress = tuple[int, int]
"""Meta-trainings that are finished, and the updates of the one that is not."""


def _files(project: SpineProject) -> list[Path]:
    folder = project.path / "data" / "00_state" / project.env
    return [path for path in folder.rglob("[!.]*") if path.is_file()]


def _progress(project: SpineProject) -> Progress:
    files = _files(project)
    found = [read_state(path) for path in files if path.name == "training.safetensors"]
    steps = max((entry[1]["step"] for entry in found if entry), default=0)
    return sum(path.name == "fit.safetensors" for path in files), steps


def _killed(project: SpineProject, until: Progress) -> Progress:
    """Starts a run and kills it when it has got so far, and further than the one before."""
    before = _progress(project)
    process = project.start("run", "--env", project.env, *RUN)
    while process.poll() is None and _progress(project) <= max(before, until):
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return _progress(project)


@pytest.mark.slow
def test_a_run_killed_while_it_trains_goes_on_and_gives_the_same(copy: SpineProject) -> None:
    outcome = copy.run(*RUN)
    assert outcome.code == 0, outcome.output
    assert _files(copy) == []  # went with the outputs

    draw = random.Random(0)
    moments = sorted((draw.randint(0, 2), draw.randint(0, STEPS // 2)) for _ in range(KILLS))
    reached = [_killed(copy, moment) for moment in moments]
    assert reached == sorted(set(reached))  # each went on from the one before
    assert any(finished for finished, _ in reached)
    assert any(0 < steps < STEPS for _, steps in reached)
    assert len(copy.versions(CHECKPOINTS)) == 2  # killed before anything was stored
    kept = {path: path.stat().st_mtime_ns for path in _files(copy) if path.name == "fit.safetensors"}

    last = copy.start("run", "--env", copy.env, *RUN)
    while last.poll() is None and len(_files(copy)) <= len(kept):
        time.sleep(0.01)
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in _files(copy)}.items()  # not done again
    output = last.communicate()[0]
    assert last.returncode == 0, output
    assert copy.fingerprint(CHECKPOINTS, 1) == copy.fingerprint(CHECKPOINTS, 2)
    assert copy.fingerprint(CHECKPOINTS, 0) != copy.fingerprint(CHECKPOINTS, 1)  # other steps
    assert _files(copy) == []
