"""Learners on pictures: inductive, checkpoint untouched, views averaged, and able to learn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.inputs import fit_inputs
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, grids
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.views import dihedral_views, turned
from med_maml_pipeline.learners.whitening import fit_whitening, whitened
from med_maml_pipeline.tasks.types import (
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    Support,
    TargetType,
    Task,
)

torch.set_num_threads(1)

SIDE, PER_CLASS, CLASSES = 16, 30, 9
IMAGE = (3, SIDE, SIDE)
_METRIC = {"steps": 3, "meta_batch": 2, "shots": 2, "query": 6, "filters": 8}
TINY = {
    **dict.fromkeys(
        ("maml", "fomaml", "anil", "boil", "meta_sgd", "maml_pp"),
        {"steps": 3, "meta_batch": 2, "shots": 2, "query": 6, "filters": 8, "inner_steps": 2},
    ),
    "protonet": _METRIC,
    "protonet_cosine": _METRIC,
    "protonet_mahalanobis": _METRIC,
    "matching": _METRIC,
    "relation": _METRIC,
    "r2d2": _METRIC,
    "dkt": _METRIC,
    "adkf": _METRIC,
    "linear_probe": {"steps": 3, "batch": 16, "filters": 8},
    "fine_tune": {"steps": 3, "batch": 16, "filters": 8},
    "baseline_pp": {"steps": 3, "batch": 16, "filters": 8},
    "lda": {"steps": 3, "batch": 16, "filters": 8},
    "untrained": {"filters": 8},
    "forest_on_features": {"steps": 3, "batch": 16, "filters": 8},
    "logistic": {},
    "forest": {},
    "svm": {},
    "kernel_ridge": {},
    "knn": {},
}


@cache
def pictures(*, features: bool = True) -> Problem:
    """Stripes whose direction and colour are the class; five classes to train on, four to test."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(CLASSES), PER_CLASS)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.pi * y / CLASSES
    phase = rng.uniform(0, 2 * np.pi, len(y))
    wave = np.cos(
        rows * np.sin(angle)[:, None, None] * 1.5
        + columns * np.cos(angle)[:, None, None] * 1.5
        + phase[:, None, None]
    )
    tint = np.stack([np.cos(2 * np.pi * y / CLASSES + k) for k in (0, 2, 4)], axis=1)[:, :, None, None]
    noisy = 128 + 50 * wave[:, None] + 40 * tint + rng.normal(0, 15, (len(y), *IMAGE))
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    x = pixels.reshape(len(y), 3, -1).mean(-1).astype(np.float32)
    x = np.concatenate([x, rng.normal(size=(len(y), 4)).astype(np.float32)], axis=1)
    x = x if features else x[:, :0]
    table = FeatureTable(
        x, tuple(f"f{i}" for i in range(x.shape[1])), (FeatureKind.NUMERIC,) * x.shape[1], pixels
    )
    tasks = [_task("train", y, range(5)), _task("test", y, range(5, 9))]
    return Problem("p", 0, {"s/main": table}, tuple(tasks), (), shared_inputs=True)


def _task(split: str, y: np.ndarray, classes: range) -> Task:
    rows = np.flatnonzero(np.isin(y, classes))
    labels = (y[rows] - classes[0]).astype(np.float32)
    meta_split = MetaSplit(split)
    return Task(
        split, "s/main", "f", "s", TargetType.MULTICLASS, len(classes), meta_split, rows, labels, rows
    )


def _support_and_query(problem: Problem, shots: int = 5) -> tuple[Support, np.ndarray, np.ndarray]:
    task = problem.task("test")
    at = np.concatenate([np.flatnonzero(task.y == label)[:shots] for label in range(task.n_classes)])
    rest = np.setdiff1d(np.arange(len(task)), at)
    query = problem.query(task, rest)
    return problem.support(task, at), query.x, query.y


@cache
def _fitted(name: str) -> Checkpoint:
    return get_learner(name).meta_fit(pictures(), TINY[name], 0, Monitor())


@pytest.mark.parametrize("name", TINY)
def test_a_picture_scores_the_same_alone_and_in_company_and_the_checkpoint_stays(name):
    problem, learner, checkpoint = pictures(), get_learner(name), _fitted(name)
    before = {key: array.copy() for key, array in checkpoint.arrays.items()}
    support, x, _ = _support_and_query(problem)
    for settings in grids(learner, problem)[1][:4]:
        predictor = learner.adapt(checkpoint, support, settings, 0)
        together = predictor(x)
        forgetful = learner.adapt(replace(checkpoint), support, settings, 0)  # embeddings are remembered
        alone = np.concatenate([forgetful(x[i : i + 1]) for i in (0, 40, 79)])
        assert together.shape == (len(x), 4)
        np.testing.assert_allclose(alone, together[[0, 40, 79]], atol=1e-6, rtol=1e-6)
    assert before.keys() == checkpoint.arrays.keys()
    assert all(np.array_equal(before[key], checkpoint.arrays[key]) for key in before)


@pytest.mark.parametrize("name", ["maml", "protonet", "linear_probe"])
def test_scores_averaged_over_views_do_not_change_when_a_picture_is_turned(name):
    problem, learner = pictures(), get_learner(name)
    support, x, _ = _support_and_query(problem)
    settings = {"views": 8} if name != "linear_probe" else {"inputs": "learned", "penalty": 1.0}
    predictor = learner.adapt(_fitted(name), support, settings, 0)
    width = int(np.prod(IMAGE))
    turned_x = x.copy()
    turned_x[:, :width] = np.rot90(x[:, :width].reshape(-1, *IMAGE), axes=(2, 3)).reshape(len(x), -1)
    np.testing.assert_allclose(predictor(turned_x), predictor(x), atol=2e-4)


def test_views_are_the_eight_distinct_symmetries_of_the_square():
    rows = torch.arange(2 * 3 * 16, dtype=torch.float32).reshape(2, 48)
    views = dihedral_views(rows, (3, 4, 4))
    expected = set()
    picture = rows[0].reshape(3, 4, 4).numpy()
    for turn in range(4):
        rotated = np.rot90(picture, turn, axes=(1, 2))
        expected |= {rotated.tobytes(), np.ascontiguousarray(rotated[:, :, ::-1]).tobytes()}
    assert {view[0].numpy().tobytes() for view in views} == expected
    assert len(expected) == 8


def test_turning_keeps_every_value_of_a_picture_and_each_picture_turns_by_itself():
    rows = torch.rand(64, 3 * 32 * 32, generator=torch.Generator().manual_seed(0))
    moved = turned(rows, (3, 32, 32), np.random.default_rng(1))
    assert torch.equal(moved.sort(dim=1).values, rows.sort(dim=1).values)
    again = turned(rows, (3, 32, 32), np.random.default_rng(1))
    assert torch.equal(moved, again)
    same = turned(rows[:1].expand(64, -1), (3, 32, 32), np.random.default_rng(1))
    assert len({row.numpy().tobytes() for row in same}) == 8


def test_whitening_makes_classes_spread_alike_in_every_direction():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6)) * [3, 1, 1, 0.7, 2, 1]
    y = rng.integers(0, 3, 3000)
    x = (rng.normal(size=(3000, 6)) @ mixing + 50 * rng.normal(size=(3, 6))[y]).astype(np.float32)
    rows = np.arange(3000)
    task = Task(
        "t",
        "s/main",
        "f",
        "s",
        TargetType.MULTICLASS,
        3,
        MetaSplit.TRAIN,
        rows,
        y.astype(np.float32),
        rows,
    )
    table = FeatureTable(x, tuple("abcdef"), (FeatureKind.NUMERIC,) * 6)
    problem = Problem("p", 0, {"s/main": table}, (task,), (), shared_inputs=True)
    white = whitened(fit_whitening(problem, lambda key, numbers: x[numbers]), x)
    before, after = (np.linalg.eigvalsh(_within(values, y)) for values in (x, white))
    assert before[-1] / before[0] > 100
    assert after[-1] / after[0] < 2  # not 1: the covariance is shrunk
    assert after[-1] == pytest.approx(1, abs=0.1)


def _within(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return sum(np.cov(x[y == label].T) * (y == label).mean() for label in range(3))


def test_without_features_classical_learners_see_the_pixels():
    problem = pictures(features=False)
    assert fit_inputs(problem) == {}
    support, x, y = _support_and_query(problem)
    learner = get_learner("logistic")
    scores = learner.adapt(learner.meta_fit(problem, {}, 0, Monitor()), support, {"penalty": 100.0}, 0)(x)
    assert (scores.argmax(1) == y).mean() > 0.5


def test_pictures_of_two_shapes_do_not_share_a_network():
    problem = pictures()
    table = problem.tables["s/main"]
    smaller = FeatureTable(table.x, table.names, table.kinds, table.pixels[:, :, ::2, ::2])
    mixed = Problem("p", 0, {"s/main": table, "s/b": smaller}, problem.tasks, (), shared_inputs=True)
    with pytest.raises(ConfigurationError, match=r"'s/main' and 's/b' differ in channels or size.*'options'"):
        get_learner("maml").meta_fit(mixed, TINY["maml"], 0, Monitor())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maml", {"steps": 60, "meta_batch": 2, "shots": 3, "query": 20, "filters": 16}),
        ("protonet", {"steps": 40, "meta_batch": 2, "shots": 3, "query": 20, "filters": 16}),
        ("linear_probe", {"steps": 60, "batch": 48, "filters": 16}),
    ],
)
def test_training_lifts_unseen_classes_well_above_chance(name, settings):
    problem, learner = pictures(), get_learner(name)
    checkpoint = learner.meta_fit(problem, settings, 0, Monitor())
    support, x, y = _support_and_query(problem)
    chosen = {"inputs": "learned", "penalty": 10.0} if name == "linear_probe" else {}
    assert (learner.adapt(checkpoint, support, chosen, 0)(x).argmax(1) == y).mean() > 0.6
