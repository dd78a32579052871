"""The benchmarks of the engine still run, on tiny shapes, and their formulas count what PyTorch counts."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("higher", reason="the extra `benchmark` is not installed")

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("gradients", "MLP"),
        ("speed", ""),
        ("memory", ""),
        ("adaptation", ""),
        ("complexity", "steps"),
        ("sinusoid", "protonet,fomaml,fine_tune,knn"),
    ],
)
def test_command_leaves_results_table_and_picture(name, only, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- bench:{name} -->\nold\n<!-- /bench:{name} -->\nafter\n")
    where = ["--results", str(tmp_path), "--images", str(tmp_path), "--write", str(page)]
    _module(name).main(["--tiny", *(["--only", only] if only else []), *where])
    found = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert found["effort"] == "tiny"
    assert found["machine"]["torch"] == torch.__version__
    assert (tmp_path / f"{name}.png").stat().st_size > 5000
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count("\n|") >= 3


def test_gradients_agree(tmp_path):
    _module("gradients").main(["--tiny", "--results", str(tmp_path), "--images", str(tmp_path)])
    rows = json.loads((tmp_path / "gradients.json").read_text(encoding="utf-8"))["rows"]
    assert {row["network"] for row in rows} == {"MLP, SiLU", "MLP, ReLU", "Conv-4"}
    for row in rows:
        exact = {name: error for name, error in row["error"].items() if name != "finite differences"}
        assert max(exact.values()) < 1e-10
        assert row["error"]["finite differences"] < (1e-8 if row["network"] == "MLP, SiLU" else 1e-5)


def test_sinusoids_are_those_of_the_paper():
    family = _module("common.sinusoids").Family(train=40, validation=2, test=2)
    problem = _module("common.sinusoids").sinusoids(family)
    for task in problem.tasks:
        x = problem.query(task, np.arange(len(task))).x[:, 0]
        basis = np.stack([np.sin(x), np.cos(x)], axis=1)
        (along, across), *_ = np.linalg.lstsq(basis, task.y, rcond=None)
        assert np.abs(x).max() <= 5
        assert np.abs(basis @ [along, across] - task.y).max() < 1e-5
        assert 0.1 <= np.hypot(along, across) <= 5
        assert across <= 1e-5  # a phase in [0, π]: sin(x - p) = cos p sin x - sin p cos x
    for episode in problem.episodes:
        assert len(episode.support) == episode.support_size
        assert not set(episode.support) & set(episode.query)


def test_reference_table_has_every_learner_and_stops_where_one_has_no_check(monkeypatch, tmp_path):
    references = _module("reference_table")
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:reference_table -->\n<!-- /bench:reference_table -->\n")
    references.main(["--only", "knn", "--results", str(tmp_path), "--write", str(page)])
    assert "| `knn` | classical | NumPy | scores | 3 |" in page.read_text(encoding="utf-8")
    wrong = dataclasses.replace(references.CHECKS[0], learner="knn", error=lambda: float("nan"))
    monkeypatch.setattr(references, "CHECKS", (*references.CHECKS, wrong))
    with pytest.raises(SystemExit, match="errors that pass their gates: knn"):
        references.main(["--only", "knn", "--results", str(tmp_path)])
    checks = tuple(check for check in references.CHECKS if check.learner != "knn")
    monkeypatch.setattr(references, "CHECKS", checks)
    with pytest.raises(SystemExit, match="without a check .*: knn"):
        references.main(["--results", str(tmp_path)])


def test_speed_stops_where_gradients_differ(monkeypatch, tmp_path):
    speed = _module("speed")
    monkeypatch.setattr(speed, "BOUND", -1.0)
    with pytest.raises(SystemExit, match="differs by"):
        speed.main(["--tiny", "--only", "MLP", "--results", str(tmp_path), "--images", str(tmp_path)])


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("network", ["MLP", "Conv-4"])
@pytest.mark.parametrize("path", ["plain loop", "ours"])
def test_formulas_count_what_torch_counts(network, path, steps):
    workloads, contestants = _module("common.workloads"), _module("common.contestants")
    inputs = 300 if network == "MLP" else (1, 32, 32)
    work = workloads.Workload(network, inputs, 2, ways=2, shots=3, queries=4, steps=steps, filters=16)
    name = "ours, PyTorch" if (network, path) == ("Conv-4", "ours") else path
    with FlopCounterMode(display=False) as counter:
        contestants.gradients(name, workloads.problem(work, (0, 1)))
    counted = _module("common.formulas").operations(path, work)
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_a_file_without_markers_is_named(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(SystemExit, match="page.md has no place for the table"):
        _module("common.output").write_between_markers(page, "speed", "table")
