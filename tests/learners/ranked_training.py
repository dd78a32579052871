"""What the processes of `test_distributed_*.py` do: found by its name in each of them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from med_maml_pipeline.learners import meta_loss
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.state_file import StateFile, read_state, write_state
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, MetaSplit, Problem, TargetType, Task

ROWS, WIDTH = 40, 6
KINDS = ((TargetType.BINARY, 2), (TargetType.MULTICLASS, 3), (TargetType.REGRESSION, 0))


def small_problem(*, shared: bool = True, kinds: tuple[tuple[TargetType, int], ...] = KINDS) -> Problem:
    """Training tasks of each kind in turn, so that a meta-batch may lack one; over one table or many."""
    rng = np.random.default_rng(0)
    tables, tasks = {}, []
    for number in range(9):
        kind, n_classes = kinds[number % len(kinds)]
        key = "s/main" if shared else f"s/t{number}"
        x = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
        tables.setdefault(key, []).append(x)
        along = x @ rng.normal(size=WIDTH)
        y = (
            along
            if n_classes == 0
            else np.digitize(along, np.quantile(along, np.arange(1, n_classes) / n_classes))
        )
        rows = np.arange(ROWS) + (number * ROWS if shared else 0)
        tasks.append(
            Task(
                f"{key}/f/{number}", key, "f", "s", kind, n_classes, MetaSplit.TRAIN,
                rows, y.astype(np.float32), rows, len(kinds) == 1,
            )
        )  # fmt: skip
    names, features = tuple(map(str, range(WIDTH))), (FeatureKind.NUMERIC,) * WIDTH
    stacked = {key: FeatureTable(np.concatenate(parts), names, features) for key, parts in tables.items()}
    return Problem("p", 0, stacked, tuple(tasks), (), shared_inputs=shared)


@dataclass(frozen=True)
class Training:
    """One meta-training.

    Attributes:
        learner / problem / settings: What is trained.
        folder: For state, result and notes.
        killed: The rank that kills itself once, and the update after which it does.
    """

    learner: str
    problem: Problem
    settings: Mapping[str, Any]
    folder: Path
    killed: tuple[int, int] | None = None


@dataclass
class KillOnce:
    """A progress callback that ends its process with SIGKILL, once for all attempts."""

    training: Training
    rank: int

    def __call__(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        with (self.training.folder / f"updates-{self.rank}.txt").open("a") as notes:
            notes.write(f"{done}\n")
        marker = self.training.folder / "killed"
        if self.training.killed == (self.rank, done) and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def train(training: Training) -> None:
    """Meta-trains with the state saved after every update; rank 0 writes the checkpoint."""
    world = World.current()
    training.folder.mkdir(exist_ok=True)
    monitor = Monitor(
        KillOnce(training, world.rank), StateFile(training.folder / "state", every=0), world=world
    )
    learner = get_learner(training.learner)
    checkpoint = learner.meta_fit(training.problem, training.settings, 0, monitor)
    if world.leads:
        write_state(
            training.folder / "result",
            checkpoint.arrays,
            {"history": list(checkpoint.history), "ranks": world.size},
        )


def train_noting_tasks(training: Training) -> None:
    """`train`, with a note of every task that this process differentiates."""
    seen = []
    original = meta_loss.query_losses

    def noting(network, start, episodes, *others, **options):
        seen.extend(hashlib.sha256(x.numpy().tobytes()).hexdigest() for x in episodes.support.x)
        return original(network, start, episodes, *others, **options)

    with mock.patch.object(meta_loss, "query_losses", noting):
        train(training)
    (training.folder / f"tasks-{World.current().rank}.json").write_text(json.dumps(seen))


def add_up(folder: Path) -> None:
    """Sums, parts and agreements on raw tensors."""
    world = World.current()
    parameters = [torch.zeros(2, 3, requires_grad=True), torch.zeros(4, requires_grad=True), torch.zeros(())]
    parameters[0].grad = torch.full((2, 3), 1.0 + world.rank)
    if world.leads:
        parameters[1].grad = torch.arange(4.0)
    loss = world.sum_gradients(parameters, torch.tensor(10.0 + world.rank))
    found = {
        "gradients": [None if value.grad is None else value.grad.tolist() for value in parameters],
        "loss": float(loss),
        "agreed": world.agree(0.1 + world.rank),
        "own": list(range(5)[world.own]),
    }
    (folder / f"{world.rank}.json").write_text(json.dumps(found))


def fail(_: Path) -> None:
    """A defect that comes back at every attempt."""
    raise RuntimeError("defect")


def result(folder: Path) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
    """What `train` left."""
    found = read_state(folder / "result")
    assert found is not None
    return found


def assert_same_bytes(one: Path, other: Path) -> None:
    """Both trainings ended with the same checkpoint, bit for bit, and the same facts."""
    (arrays, facts), (others, other_facts) = result(one), result(other)
    assert facts == other_facts
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in others.items()
    }
