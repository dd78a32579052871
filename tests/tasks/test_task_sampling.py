import gc
from collections import Counter

import numpy as np
import pytest
from test_task_episodes import task

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks import sampling
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, MetaSplit, Problem


def problem(tasks, split=MetaSplit.TRAIN):
    features = FeatureTable(np.zeros((400, 1), np.float32), ("a",), (FeatureKind.NUMERIC,))
    for one in tasks:
        object.__setattr__(one, "meta_split", split)
    return Problem("p", 0, {"s/main": features}, tuple(tasks), (), shared_inputs=True)


def labels(n, t, positives=40):
    return [task(np.arange(n) < positives, name=f"t{i}") for i in range(t)]


def plain(batch):
    return [(one.task_id, support.tolist(), query.tolist()) for one, support, query in batch]


def test_a_batch_is_a_pure_function_of_seed_and_step():
    one, other = problem(labels(400, 5)), problem(labels(400, 5))
    training_batch(one, 0, 7, 4, 5, 16)
    assert plain(training_batch(one, 0, 3, 4, 5, 16)) == plain(training_batch(other, 0, 3, 4, 5, 16))
    assert plain(training_batch(one, 0, 3, 4, 5, 16)) != plain(training_batch(one, 0, 4, 4, 5, 16))
    assert plain(training_batch(one, 0, 3, 4, 5, 16)) != plain(training_batch(one, 1, 3, 4, 5, 16))


def test_tasks_are_drawn_uniformly_without_repeats_while_there_are_enough():
    many = problem(labels(400, 10))
    seen = Counter(one.task_id for step in range(400) for one, _, _ in training_batch(many, 0, step, 3, 2, 2))
    assert all(90 < count < 150 for count in seen.values())  # 120 expected, standard deviation 9
    assert all(len({t for t, _, _ in plain(training_batch(many, 0, s, 10, 2, 2))}) == 10 for s in range(5))
    few = problem(labels(400, 3))
    assert sorted(Counter(t for t, _, _ in plain(training_batch(few, 0, 0, 8, 2, 2))).values()) == [2, 3, 3]


def test_supports_are_balanced_and_queries_are_natural():
    one = problem(labels(400, 1))
    shares = []
    for step in range(200):
        ((drawn, support, query),) = training_batch(one, 0, step, 1, 10, 32)
        assert np.bincount(drawn.y[support].astype(int)).tolist() == [10, 10]
        assert len(query) == 32
        assert not set(support) & set(query)
        shares.append(drawn.y[query].mean())
    assert np.mean(shares) == pytest.approx(30 / 380, abs=0.01)


def test_small_classes_give_what_they_have_but_one():
    ((drawn, support, query),) = training_batch(problem(labels(50, 1, positives=4)), 0, 0, 1, 10, 100)
    assert np.bincount(drawn.y[support].astype(int)).tolist() == [10, 3]
    assert sorted([*support, *query]) == list(range(50))


def test_numeric_targets_get_their_shots_in_all():
    values = task(np.linspace(0, 1, 30), n_classes=0)
    ((_, support, query),) = training_batch(problem([values]), 0, 0, 1, 10, 8)
    assert (len(support), len(query)) == (10, 8)


def test_patients_never_sit_on_both_sides():
    groups = np.repeat(np.arange(40), 5)
    rng = np.random.default_rng(0)
    one = problem([task(rng.random(200) < 0.3, groups)])
    for step in range(50):
        ((_, support, query),) = training_batch(one, 0, step, 1, 5, 60)
        assert not set(groups[support]) & set(groups[query])
        assert len(query) == len(set(query)) == 60


def test_every_row_can_be_drawn():
    groups = np.repeat(np.arange(10), 3)
    one = problem([task(np.arange(30) % 2, groups)])
    seen = [training_batch(one, 0, step, 1, 2, 4)[0] for step in range(300)]
    assert set(np.concatenate([query for _, _, query in seen])) == set(range(30))


def test_a_sampler_lives_as_long_as_its_problem():
    gc.collect()
    before = len(sampling._SAMPLERS)
    one = problem(labels(50, 1))
    training_batch(one, 0, 0, 1, 2, 2)
    assert len(sampling._SAMPLERS) == before + 1
    del one
    gc.collect()
    assert len(sampling._SAMPLERS) == before


def test_no_training_tasks_is_said():
    with pytest.raises(ConfigurationError, match="'p' has no training tasks"):
        training_batch(problem(labels(50, 1), MetaSplit.TEST), 0, 0, 1, 2, 2)
