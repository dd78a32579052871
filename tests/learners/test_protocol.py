"""What every learner of the registry must keep, on a tiny problem with counts, gaps and every target type."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from med_maml_pipeline.learners.adaptation import predict_test_episodes
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Settings
from med_maml_pipeline.learners.registry import LANES, LEARNERS, get_learner
from med_maml_pipeline.learners.training import Effort, meta_train
from med_maml_pipeline.tasks.types import (
    Episode,
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    TargetType,
    Task,
)

torch.set_num_threads(1)

ROWS, COUNTS, NUMBERS, SUPPORT = 40, 24, 6, 12
N_CLASSES = {TargetType.BINARY: 2, TargetType.MULTICLASS: 3, TargetType.REGRESSION: 0}
TINY = {"steps": 3, "hidden": (8,)}
LANE_OF = {name: lane for lane, names in LANES.items() for name in names}


@cache
def problem(target_type: TargetType) -> Problem:
    """Two tasks to train, one to validate, two to judge, over fingerprint counts and numbers with gaps."""
    rng = np.random.default_rng(0)
    n = 5 * ROWS
    numbers = rng.normal(50, 10, size=(n, NUMBERS))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    x = np.hstack([rng.poisson(0.7, size=(n, COUNTS)), numbers]).astype(np.float32)
    signal = x[:, :4].sum(axis=1) - x[:, 4:8].sum(axis=1) + rng.normal(size=n)
    splits = ("train", "train", "validation", "test", "test")
    tasks = tuple(_task(number, MetaSplit(split), target_type, signal) for number, split in enumerate(splits))
    episodes = tuple(
        Episode(f"{task.task_id}/{draw}", task.task_id, *_drawn(task, draw), None, SUPPORT, draw)
        for task in tasks
        if task.meta_split is not MetaSplit.TRAIN
        for draw in range(2)
    )
    kinds = (FeatureKind.COUNT,) * COUNTS + (FeatureKind.NUMERIC,) * NUMBERS
    table = FeatureTable(x, tuple(f"f{i}" for i in range(COUNTS + NUMBERS)), kinds)
    return Problem("p", 0, {"s/main": table}, tasks, episodes, shared_inputs=True)


def _task(number: int, split: MetaSplit, target_type: TargetType, signal: np.ndarray) -> Task:
    rows = np.arange(number * ROWS, (number + 1) * ROWS)
    y = signal[rows] * 3 + 100
    if n_classes := N_CLASSES[target_type]:
        y = np.argsort(np.argsort(y)) * n_classes // ROWS  # classes of equal size
    return Task(
        f"s/main/f/{number}", "s/main", "f", "s", target_type, n_classes, split, rows,
        y.astype(np.float32), rows, shared_meaning=True,
    )  # fmt: skip


def _drawn(task: Task, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of support and query; the support holds every class."""
    order = np.random.default_rng(draw).permutation(ROWS)
    first = [int(order[task.y[order] == c][0]) for c in range(task.n_classes)]
    rest = [int(i) for i in order if i not in first]
    drawn = np.array(first + rest, dtype=np.int64)
    return drawn[:SUPPORT], drawn[SUPPORT:]


CASES = [
    pytest.param(name, kind, id=f"{name}-{kind}")
    for name in LEARNERS
    for kind in N_CLASSES
    if get_learner(name).supports(problem(kind))
]


def _fewest_trees(settings: Settings) -> dict[str, object]:
    return {**settings, **({"trees": 10} if "trees" in settings else {})}


@cache
def fitted(name: str, kind: TargetType) -> Checkpoint:
    learner = get_learner(name)
    return learner.meta_fit(problem(kind), {**learner.meta_grid[0], **TINY}, 0, Monitor())


def _bytes(checkpoint: Checkpoint) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {key: (str(array.dtype), array.shape, array.tobytes()) for key, array in checkpoint.arrays.items()}


def test_every_learner_takes_part() -> None:
    covered = {case.values[0] for case in CASES}
    assert covered == set(LEARNERS)
    assert set(LANE_OF) == set(LEARNERS)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_adaptation_leaves_the_checkpoint_bit_identical(name: str, kind: TargetType) -> None:
    learner, checkpoint = get_learner(name), fitted(name, kind)
    before, facts = _bytes(checkpoint), dict(checkpoint.facts)
    for settings in (learner.adapt_grid[0], learner.adapt_grid[-1]):
        support, query = problem(kind).draw(problem(kind).episodes_of(MetaSplit.TEST)[0])
        learner.adapt(checkpoint, support, _fewest_trees(settings), 0)(query.x)
    assert _bytes(checkpoint) == before
    assert dict(checkpoint.facts) == facts


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_query_scores_alone_as_in_a_batch(name: str, kind: TargetType) -> None:
    learner, checkpoint = get_learner(name), fitted(name, kind)
    for settings in (learner.adapt_grid[0], learner.adapt_grid[-1]):
        support, query = problem(kind).draw(problem(kind).episodes_of(MetaSplit.TEST)[0])
        predict = learner.adapt(checkpoint, support, _fewest_trees(settings), 0)
        together = predict(query.x)
        assert together.shape == ((len(query.y), N_CLASSES[kind]) if N_CLASSES[kind] else (len(query.y),))
        assert np.isfinite(together).all()
        alone = np.concatenate([predict(row[None]) for row in query.x])
        scale = max(1.0, float(np.abs(together).max()))
        np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6 * scale)
        turned = predict(query.x[::-1])[::-1]
        np.testing.assert_allclose(turned, together, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("kind", N_CLASSES)
def test_the_whole_evaluation_leaves_every_checkpoint_bit_identical(kind: TargetType) -> None:
    """Selection on validation tasks, then every test episode, by the code that runs them in the pipeline."""
    names = [name for name in LEARNERS if get_learner(name).supports(problem(kind))]
    effort = Effort(2, 1, 1, dict.fromkeys(names, TINY))
    lanes = {LANE_OF[name]: [n for n in LANES[LANE_OF[name]] if n in names] for name in names}
    trained = [t for lane in lanes.values() for t in meta_train([problem(kind)], lane, effort, [0])]
    checkpoints = {t.key: t.checkpoint for t in trained}
    before = {key: _bytes(checkpoint) for key, checkpoint in checkpoints.items()}
    for t in trained:
        predictions = predict_test_episodes([problem(kind)], {t.key: t.checkpoint}, t.selection)
        assert len(predictions) == 4
    assert set(checkpoints) == {("p", 0, name, 0) for name in names}
    assert {key: _bytes(checkpoint) for key, checkpoint in checkpoints.items()} == before
