"""A run that is killed at any moment loses nothing finished and leaves nothing half-written in sight.

``python benchmarks/kills.py`` does the same fifty times with the real pipeline.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest
from project_copy import Project

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "kills.py"


@pytest.fixture(scope="module")
def kills() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kills", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_kills_at_random_moments(project: Project, kills: ModuleType) -> None:
    rows = "".join(f"{number},canary\n" for number in range(400))  # as many files of one snapshot
    (project.path / "raw" / "canary_file.csv").write_text(f"num,name\n{rows}")
    trial = kills.Trial(project.path, None)
    trial.reference()
    moments = random.Random(0)
    for _ in range(12):
        trial.kill(moments.random() * 0.7)
        trial.check()
        if trial.counts.kills == 3:
            break
    assert trial.counts.kills == 3
    assert trial.counts.checked >= 4 * 4  # four datasets of the first run, in every check
    assert (trial.counts.visible, trial.counts.lost) == (0, 0)

    assert trial.go_on() == 0
    trial.check()
    assert (trial.counts.visible, trial.counts.lost) == (0, 0)
    *_, killed, resumed = project.records()
    assert {"rows", "parts", "model", "score"} <= killed["saved"].keys() | resumed["saved"].keys()

    for one in trial.leftovers():
        one.remove()
    assert not list((project.path / "data").rglob(".*"))


def test_the_check_sees_what_is_wrong(project: Project, kills: ModuleType) -> None:
    """Else the counts of zero would prove nothing."""
    trial = kills.Trial(project.path, None)
    trial.reference()
    assert (trial.counts.visible, trial.counts.lost, trial.counts.checked) == (0, 0, 4)
    (parts,) = (project.path / "data" / "05_model_input" / "parts").glob("*/parts")
    (parts / "part-1.csv").write_text("num,name\n9,x\n")
    trial.check()
    assert (trial.counts.visible, trial.counts.lost) == (1, 1)
    (parts / "manifest.json").unlink()
    trial.check()
    assert (trial.counts.visible, trial.counts.lost) == (2, 2)
