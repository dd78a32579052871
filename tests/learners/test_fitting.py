"""Finished meta-trainings of an unfinished node are taken up, and only where nothing has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_protocol import problem

from med_maml_pipeline.learners import fingerprint as fingerprint_module
from med_maml_pipeline.learners.fingerprint import content_digest, fingerprint
from med_maml_pipeline.learners.fitting import Surroundings
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.training import Effort, Trained, meta_train
from med_maml_pipeline.learners.workers import run_jobs
from med_maml_pipeline.tasks.types import Problem, TargetType

torch.set_num_threads(1)

SETTINGS = {"steps": 6, "hidden": (8,), "validate_every": 2}
EFFORT = Effort(2, 1, 2, {"maml": SETTINGS})


def _trained(data: Problem, state: Path | None, effort: Effort = EFFORT, seed: int = 0) -> Trained:
    (trained,) = meta_train([data], ["maml"], effort, [seed], around=Surroundings(state=state))
    return trained


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every meta-training that is really done."""
    done: list[int] = []
    original = Maml.meta_fit

    def counted(self, data, settings, seed, monitor):
        done.append(seed)
        return original(self, data, settings, seed, monitor)

    monkeypatch.setattr(Maml, "meta_fit", counted)
    return done


def test_a_finished_meta_training_is_not_done_again(tmp_path: Path, calls: list[int]) -> None:
    data = problem(TargetType.BINARY)
    alone, first, second = (_trained(data, state) for state in (None, tmp_path, tmp_path))
    assert len(calls) == 2
    for one in (first, second):
        assert one.checkpoint.arrays.keys() == alone.checkpoint.arrays.keys()
        for name, array in alone.checkpoint.arrays.items():
            assert one.checkpoint.arrays[name].tobytes() == array.tobytes()
        np.testing.assert_equal(list(one.checkpoint.history), list(alone.checkpoint.history))
        pd.testing.assert_frame_equal(one.selection, alone.selection, check_exact=True)
    assert second.cost == first.cost
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["fit.safetensors"]


def test_whatever_decides_the_result_makes_it_train_anew(tmp_path: Path, calls: list[int]) -> None:
    data = problem(TargetType.BINARY)
    _trained(data, tmp_path)
    flipped = replace(data.tasks[0], y=1 - data.tasks[0].y)
    table = data.tables["s/main"]
    moved = replace(table, x=np.where(np.arange(len(table.x))[:, None] == 0, table.x + 1, table.x))
    other = Effort(2, 1, 2, {"maml": {**SETTINGS, "steps": 5}})
    _trained(replace(data, tasks=(flipped, *data.tasks[1:])), tmp_path)
    _trained(replace(data, tables={"s/main": moved}), tmp_path)
    _trained(data, tmp_path, other)
    _trained(data, tmp_path, seed=1)
    assert len(calls) == 5
    assert len({path.parent.name for path in tmp_path.rglob("fit.safetensors")}) == 5


def test_test_tasks_do_not_name_a_state(tmp_path: Path, calls: list[int]) -> None:
    """They decide nothing in meta-training."""
    data = problem(TargetType.BINARY)
    _trained(data, tmp_path)
    flipped = replace(data.tasks[-1], y=1 - data.tasks[-1].y)
    _trained(replace(data, tasks=(*data.tasks[:-1], flipped)), tmp_path)
    assert len(calls) == 1


def test_other_code_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(seed=0)
    assert fingerprint(seed=0) == before
    monkeypatch.setattr(fingerprint_module, "_code_digest", lambda: "changed")
    assert fingerprint(seed=0) != before


@pytest.mark.parametrize("name", ["learner.py", "kernel.cpp", "kernel.hpp", "_kernel.so"])
def test_code_and_compiled_code_count(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel built anew, or not at all, rounds otherwise: its states are not mixed."""
    (tmp_path / "bilevel").mkdir()
    monkeypatch.setattr(fingerprint_module, "_PACKAGE", tmp_path)
    digests = set()
    for content in (None, b"1", b"2"):
        if content is not None:
            (tmp_path / "bilevel" / name).write_bytes(content)
        fingerprint_module._code_digest.cache_clear()
        digests.add(fingerprint_module._code_digest())
    fingerprint_module._code_digest.cache_clear()
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), (12,)),
        (("a", "b"), ("ab",)),
        ({"a": 1}, {"a": "1"}),
        (np.zeros(2, np.float32), np.zeros(2, np.float64)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        ([[1], [2]], [[1, 2]]),
        (True, 1),
    ],
)
def test_contents_that_differ_have_digests_that_differ(one: object, other: object) -> None:
    assert content_digest(one) != content_digest(other)


def test_a_damaged_finished_meta_training_is_done_again(
    tmp_path: Path, calls: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    data = problem(TargetType.BINARY)
    first = _trained(data, tmp_path)
    (file,) = tmp_path.rglob("fit.safetensors")
    file.write_bytes(file.read_bytes()[:-10])
    again = _trained(data, tmp_path)
    assert len(calls) == 2
    assert "damaged" in caplog.text
    pd.testing.assert_frame_equal(again.selection, first.selection, check_exact=True)


def test_nothing_to_do_is_done_by_any_number_of_workers():
    """A lane of which the roster has nobody."""
    assert list(run_jobs(len, [], workers=2)) == []
