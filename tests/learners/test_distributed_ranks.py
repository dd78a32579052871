"""Two processes are one: the same updates from the same tasks, and a killed process is replaced."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from ranked_training import (
    Training,
    add_up,
    assert_same_bytes,
    fail,
    result,
    small_problem,
    train,
    train_noting_tasks,
)

from med_maml_pipeline.learners.distributed import DistributedSettings, LaunchError, run_on_ranks
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.tasks.types import TargetType

torch.set_num_threads(1)

TWO = DistributedSettings(launcher="elastic", ranks=2, max_restarts=0)
MAML = {"steps": 6, "hidden": (8, 8), "inner_steps": 2}
ODD = {**MAML, "meta_batch": 5}


def _on_two(work, item, folder: Path, settings: DistributedSettings = TWO) -> None:
    run_on_ranks(work, item, settings, device="cpu", folder=folder)


def _alike(one: Path, two: Path) -> float:
    """The largest difference between parameters, in units of the largest entry of each array."""
    (alone, _), (together, facts) = result(one), result(two)
    assert facts["ranks"] == 2
    assert alone.keys() == together.keys()
    return max(
        float(np.max(np.abs(array - together[name])) / max(np.max(np.abs(array)), 1e-30))
        for name, array in alone.items()
        if array.size
    )


def test_ranks_add_up_gradients_and_divide_items(tmp_path):
    _on_two(add_up, tmp_path, tmp_path)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first["gradients"] == second["gradients"] == [[[3.0] * 3] * 2, [0.0, 1.0, 2.0, 3.0], None]
    assert first["loss"] == second["loss"] == 21.0
    assert first["agreed"] == second["agreed"] == 0.1
    assert (first["own"], second["own"]) == ([0, 2, 4], [1, 3])


def test_alone_nothing_is_added():
    world, leaf = World.current(), torch.zeros(2, requires_grad=True)
    assert world.sum_gradients([leaf], torch.tensor(2.0)) == 2.0
    assert (world, leaf.grad, world.agree(0.5)) == (World(0, 1), None, 0.5)
    assert list(range(3)[world.own]) == [0, 1, 2]


@pytest.mark.parametrize("meta_batch", [4, 5, 1])
def test_two_ranks_equal_one_in_parameters_and_divide_the_tasks(tmp_path, meta_batch):
    settings = {**MAML, "meta_batch": meta_batch, "input_dropout": 0.2}
    one, two = tmp_path / "one", tmp_path / "two"
    train_noting_tasks(Training("maml", small_problem(), settings, one))
    _on_two(train_noting_tasks, Training("maml", small_problem(), settings, two), tmp_path)
    assert _alike(one, two) < 1e-5
    every = json.loads((one / "tasks-0.json").read_text())
    parts = [json.loads((two / f"tasks-{rank}.json").read_text()) for rank in (0, 1)]
    assert len(every) == MAML["steps"] * meta_batch
    assert Counter(parts[0]) + Counter(parts[1]) == Counter(every)
    assert not set(parts[0]) & set(parts[1])
    assert parts[0]


@pytest.mark.parametrize(
    ("learner", "settings", "shared"),
    [
        ("protonet", {"hidden": (8,), "embedding": 6, "meta_batch": 5}, False),
        ("linear_probe", {"hidden": (8,), "batch": 33}, True),
        ("prior", {"hidden": (8,), "batch": 33}, True),
    ],
)
def test_other_learners_are_the_same_on_two_ranks(tmp_path, learner, settings, shared):
    kinds = {"kinds": ((TargetType.BINARY, 2),)} if learner == "prior" else {}
    problem = small_problem(shared=shared, **kinds)
    one, two = tmp_path / "one", tmp_path / "two"
    train(Training(learner, problem, {"steps": 6, **settings}, one))
    _on_two(train, Training(learner, problem, {"steps": 6, **settings}, two), tmp_path)
    assert _alike(one, two) < 1e-5


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """What two ranks leave that nobody kills."""
    folder = tmp_path_factory.mktemp("whole") / "training"
    _on_two(train, Training("maml", small_problem(), ODD, folder), folder)
    return folder


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_replaced_and_ends_with_the_same_bytes(tmp_path, whole, rank):
    broken = tmp_path / "broken"
    training = Training("maml", small_problem(), ODD, broken, killed=(rank, 3))
    _on_two(train, training, tmp_path, TWO.model_copy(update={"max_restarts": 1}))
    assert (broken / "killed").exists()
    assert_same_bytes(whole, broken)
    updates = [int(line) for line in (broken / f"updates-{rank}.txt").read_text().split()]
    restarted = updates[updates.index(3) + 1 :]
    assert restarted[0] > 2  # from the state, not from the start


def test_a_defect_ends_in_one_sentence_and_leaves_signals_alone(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LaunchError, match=r"2 processes failed more than 0 times .*max_restarts"):
        _on_two(fail, tmp_path, tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before
