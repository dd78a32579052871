"""The in-context transformer: made-up tasks, tables of any width, problems without tasks, pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from solvable import BINARY, MULTICLASS, REGRESSION, family, quality, solvable
from test_picture_learners import pictures

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.column_choice import NamedColumns, read_columns
from med_maml_pipeline.learners.in_context import InContextLearner
from med_maml_pipeline.learners.in_context_episodes import InContextTraining, as_trained, problem_episodes
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.synthetic_tasks import synthetic_tasks
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.networks import IDENTITY
from med_maml_pipeline.tasks.types import MetaSplit, Problem, TargetType

torch.set_num_threads(1)

TYPES = {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}
TINY = {"steps": 3, "hidden": (8,)}
LEARNER = InContextLearner()


def _without_training(problem: Problem) -> Problem:
    return replace(problem, tasks=problem.split(MetaSplit.TEST))


def _drawn(seed: int, step: int, kind: TargetType) -> list[np.ndarray]:
    tasks = synthetic_tasks(seed, step, 3, 20, [kind])
    return [part for support, query in tasks for part in (support.x, support.y, query.x, query.y)]


@pytest.mark.parametrize("kind", TYPES)
def test_made_up_tasks_are_a_function_of_seed_and_step(kind):
    for one, again in zip(_drawn(1, 5, kind), _drawn(1, 5, kind), strict=True):
        np.testing.assert_array_equal(one, again)
    for seed, step in ((2, 5), (1, 6)):
        assert any(
            one.shape != other.shape or (one != other).any()
            for one, other in zip(_drawn(1, 5, kind), _drawn(seed, step, kind), strict=True)
        )


def test_made_up_tasks_differ_as_tables_do_and_are_well_formed():
    widths, kinds, ways, missing = set(), set(), set(), 0
    for step in range(24):
        drawn = synthetic_tasks(0, step, 4, 20, list(TYPES))
        assert len({(support.target_type, support.n_classes) for support, _ in drawn}) == 1
        for support, query in drawn:
            assert len(query.x) == len(query.y) == 20
            assert support.x.shape[1] == query.x.shape[1] == len(support.kinds)
            assert np.isfinite(support.y).all()
            if support.n_classes:
                assert set(support.y) == set(range(support.n_classes))
                assert set(query.y) <= set(support.y)
            widths.add(support.x.shape[1])
            kinds.update(support.kinds)
            ways.add(support.n_classes)
            missing += np.isnan(support.x).any()
    assert len(widths) > 10
    assert len(kinds) == 3
    assert {0, 2} < ways
    assert 0 < missing < 96


def test_made_up_tasks_alone_teach_to_read_tables():
    problem = _without_training(solvable(BINARY))
    first, last = (
        LEARNER.meta_fit(problem, {"steps": steps, "hidden": (16, 32), "outer_lr": 0.01}, 0, Monitor())
        for steps in (0, 40)
    )
    assert quality(LEARNER, first, problem) == 0.5
    assert quality(LEARNER, last, problem) > 0.7


def test_a_problem_without_training_tasks_takes_every_type():
    problem = _without_training(family(TYPES, n_train=1, missing=0.1))
    assert LEARNER.supports(problem)
    checkpoint = LEARNER.meta_fit(problem, TINY, 0, Monitor())
    for task in problem.tasks[::8]:
        support = problem.support(task, np.arange(14))
        for y in (support.y, np.zeros_like(support.y)):
            scores = LEARNER.adapt(checkpoint, replace(support, y=y), {}, 0)(support.x)
            assert np.isfinite(scores).all()


def test_classes_change_places_with_their_scores():
    problem = family({MULTICLASS: 3}, n_train=4)
    checkpoint = LEARNER.meta_fit(problem, TINY, 0, Monitor())
    task = problem.split(MetaSplit.TEST)[0]
    support, x = problem.support(task, np.arange(16)), problem.query(task, np.arange(16, 40)).x
    order = np.array([2, 0, 1])
    renamed = replace(support, y=order[support.y.astype(int)].astype(np.float32))
    plain, permuted = (LEARNER.adapt(checkpoint, s, {}, 0)(x) for s in (support, renamed))
    np.testing.assert_allclose(permuted[:, order], plain, rtol=1e-5, atol=1e-6)


def test_the_order_of_columns_does_not_matter_where_tables_have_their_own():
    problem = replace(family({BINARY: 2}, n_train=4), shared_inputs=False)
    checkpoint = LEARNER.meta_fit(problem, TINY, 0, Monitor())
    task = problem.split(MetaSplit.TEST)[0]
    support, x = problem.support(task, np.arange(16)), problem.query(task, np.arange(16, 40)).x
    order = np.random.default_rng(0).permutation(x.shape[1])
    for columns in (32, 8):
        plain, moved = (
            LEARNER.adapt(checkpoint, s, {"columns": columns}, 0)(q)
            for s, q in ((support, x), (replace(support, x=support.x[:, order]), x[:, order]))
        )
        np.testing.assert_allclose(moved, plain, rtol=1e-6, atol=1e-6)


def test_wide_tables_are_read_through_columns_that_tell_there_or_in_meta_training():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(1, 12, 50)))
    y = torch.sign(x[..., 7])
    rows = Labelled(x, y, torch.full((1, 12), 1 / 12, dtype=torch.float64))
    usual = torch.zeros(50, dtype=torch.float64)
    usual[31] = 0.9
    identity = torch.arange(50.0, dtype=torch.float64).unsqueeze(1).expand(-1, IDENTITY)
    read = read_columns(rows, x[:, :5], NamedColumns(identity, usual), 6)
    chosen = read.identity[0, :, 0].long()
    assert {7, 31} <= set(chosen.tolist())
    np.testing.assert_array_equal(read.support.x, x[..., chosen])
    np.testing.assert_array_equal(read.asked, x[:, :5, chosen])


def test_episodes_of_the_problem_differ_in_size_and_show_few_classes():
    problem = solvable(MULTICLASS)
    options = InContextTraining(ways=3, shots=8)
    seen = as_trained(problem, options)
    inputs = ResidentInputs.of(NetworkInputs.fit(seen, 0), "cpu")
    drawn = [
        batch for step in range(6) for batch in problem_episodes(seen, inputs, options, 0, step, World())
    ]
    assert {batch.n_classes for batch in drawn} == {3}
    assert {len(batch) for batch in drawn} == {4}
    assert len({batch.episodes.support.y.shape[1] for batch in drawn}) > 2


def test_pictures_are_read_as_their_features_or_not_at_all():
    assert not LEARNER.supports(pictures(features=False))
    problem = pictures()
    checkpoint = LEARNER.meta_fit(problem, TINY, 0, Monitor())
    task = problem.task("test")
    at, rest = np.arange(0, len(task), 4), np.arange(1, len(task), 4)
    x = problem.query(task, rest).x
    scores = LEARNER.adapt(checkpoint, problem.support(task, at), {}, 0)(x)
    assert scores.shape == (len(rest), task.n_classes)
    other_pixels = x.copy()
    n_features = len(problem.tables["s/main"].names)
    other_pixels[:, :-n_features] = 0.0
    np.testing.assert_array_equal(
        LEARNER.adapt(checkpoint, problem.support(task, at), {}, 0)(other_pixels), scores
    )
