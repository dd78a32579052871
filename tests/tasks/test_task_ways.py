import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fabric import cells, class_family, family, panel
from test_task_build import build
from test_task_episodes import task as plain_task

from med_maml_pipeline.tasks.index import PoolIndex
from med_maml_pipeline.tasks.problems import load_problems
from med_maml_pipeline.tasks.sampling import sample_episode, training_batch
from med_maml_pipeline.tasks.types import MetaSplit, TargetType


def one_problem(examples, spec, seed=0):
    catalog = build([examples], (spec,), seed)
    tables = {examples.key: examples}
    return load_problems(tables, catalog.tasks, catalog.pools, catalog.episodes)[0], catalog


def by_hand(support_classes, classes):
    """Place of each class among the distinct ones of the support, counted one by one."""
    return [sum(other < one for other in set(support_classes)) for one in classes]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), ways=st.integers(2, 6), shots=st.integers(1, 3))
def test_stored_episodes_number_their_classes_from_zero_in_ascending_order(seed, ways, shots):
    """The feature is the row number, so that labels are traced to the source behind all tables."""
    rng = np.random.default_rng(seed)
    examples = cells([40] * 12, groups=rng.integers(300, size=480))
    split = {"mode": "rotate", "folds": 2}
    rule = {"ways": ways, "sizes": (shots,), "draws": 5, "max_query": 60}
    spec = class_family(split=split, group_split=(0.4, 0.2, 0.4), support=rule)
    problem, _ = one_problem(examples, spec, seed)
    for episode in problem.episodes:
        support, query = problem.draw(episode)
        task = problem.task(episode.task_id)
        n_way = min(ways, task.n_classes)
        shown = examples.y[support.x[:, 0].astype(int), 0].tolist()
        asked = examples.y[query.x[:, 0].astype(int), 0].tolist()
        assert support.n_classes == task.n_way == n_way == len(set(shown))
        assert support.y.tolist() == by_hand(shown, shown)
        assert query.y.tolist() == by_hand(shown, asked)
        assert np.bincount(support.y.astype(int)).tolist() == [shots] * n_way
        assert set(query.y) == set(range(n_way))
        assert len(query.y) <= 60
        assert support.target_type == TargetType.MULTICLASS
        assert episode.n_shot == shots


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), ways=st.sampled_from([2, 5]), shots=st.integers(1, 8))
def test_training_episodes_draw_their_classes_anew(seed, ways, shots):
    rng = np.random.default_rng(seed)
    examples = cells([30] * 14, groups=rng.integers(260, size=420))
    spec = class_family(group_split=(0.6, 0.1, 0.3), split={"mode": "random"}, support={"ways": ways})
    problem, _ = one_problem(examples, spec, seed)
    batch = training_batch(problem, seed, 3, 16, shots, 24)
    for task, support, query in batch:
        numbers = task.y[support].tolist()
        assert len(set(numbers)) == task.n_way == ways < task.n_classes
        assert set(task.y[query]) <= set(numbers)
        assert not set(task.groups[support]) & set(task.groups[query])
        assert task.labels(support, support).tolist() == by_hand(numbers, numbers)
        assert task.labels(query, support).tolist() == by_hand(numbers, task.y[query].tolist())
        assert problem.support(task, support).y.tolist() == by_hand(numbers, numbers)
        assert problem.query(task, query, support).y.tolist() == by_hand(numbers, task.y[query].tolist())
    assert len({tuple(sorted(set(task.y[support]))) for task, support, _ in batch}) > 1
    again = training_batch(problem, seed, 3, 16, shots, 24)
    assert [(s.tolist(), q.tolist()) for _, s, q in batch] == [(s.tolist(), q.tolist()) for _, s, q in again]


def test_every_class_is_drawn_as_often():
    examples = cells([20] * 10)
    spec = family(
        kind="table", family="whole", split={"mode": "fixed", "meta_split": "train"}, support={"ways": 4}
    )
    other = cells([20] * 3, source="other")
    object.__setattr__(other, "groups", other.groups + 1000)
    specs = {
        "clinic": (spec.model_copy(update={"problem": "p"}),),
        "other": (
            family(kind="table", family="whole", problem="p", split={"mode": "fixed", "meta_split": "test"}),
        ),
    }
    catalog = build([examples, other], specs)
    tables = {examples.key: examples, other.key: other}
    (problem,) = load_problems(tables, catalog.tasks, catalog.pools, catalog.episodes)
    seen = Counter()
    for step in range(250):
        for task, support, _ in training_batch(problem, 0, step, 4, 1, 4):
            seen.update(task.y[support].tolist())
    assert sorted(seen) == list(range(10))
    assert all(330 < count < 470 for count in seen.values())  # 400 expected, standard deviation 15


def test_a_query_is_natural_among_the_drawn_classes():
    one = plain_task(np.repeat([0, 1, 2, 3], [300, 100, 50, 50]), n_classes=4)
    index = PoolIndex.of(one.y, one.groups, 4)
    shares = Counter()
    for step in range(300):
        support, query = sample_episode(index, np.random.default_rng(step), 2, 20, 2)
        if set(one.y[support]) == {0, 1}:
            shares.update(one.y[query].tolist())
        assert len(query) == 20
    assert shares[0] / (shares[0] + shares[1]) == pytest.approx(298 / 396, abs=0.04)


def test_episodes_without_ways_stay_what_they_were():
    """Asking for as many classes as there are draws no classes, so that no stream moves."""
    examples = cells([30] * 6)
    split = {
        "mode": "named",
        "train": [f"cell_{i}" for i in range(3)],
        "test": ["cell_3", "cell_4", "cell_5"],
    }
    _, plain = one_problem(examples, class_family(split=split))
    _, asked = one_problem(examples, class_family(split=split, support={"ways": 3}))
    assert plain.episodes.map(str).equals(asked.episodes.map(str))
    assert asked.tasks["ways"].isna().all()


def test_more_draws_and_sizes_change_no_episode_that_was_there():
    examples = cells([30] * 12)
    few = build([examples], (class_family(support={"ways": 3, "draws": 2, "sizes": (4,)}),))
    more = build([examples], (class_family(support={"ways": 3, "draws": 6, "sizes": (2, 4)}),))
    both = more.episodes.set_index("episode_id")
    assert len(few.episodes)
    for episode in few.episodes.itertuples():
        assert episode.support.tolist() == both.loc[episode.episode_id, "support"].tolist()
        assert episode.query.tolist() == both.loc[episode.episode_id, "query"].tolist()


def test_ways_pass_by_binary_and_numeric_targets():
    kinds = [TargetType.BINARY, TargetType.REGRESSION] * 3
    outcomes = panel(200, 6, types=kinds)
    rng = np.random.default_rng(0)
    outcomes.y[:, 1::2] = rng.normal(size=(200, 3))
    problem, catalog = one_problem(outcomes, family(support={"ways": 2}, group_split=(0.5, 0.2, 0.3)))
    assert catalog.tasks["ways"].isna().all()
    for episode in problem.episodes:
        support, _ = problem.draw(episode)
        assert support.n_classes == (0 if support.target_type == TargetType.REGRESSION else 2)


def test_rows_outside_the_drawn_classes_have_no_label():
    one = plain_task(np.arange(12) % 4, n_classes=4)
    object.__setattr__(one, "ways", 2)
    assert one.labels(np.array([1, 3, 5]), np.array([1, 3])).tolist() == [0, 1, 0]
    for positions, support in (([0], [1, 3]), ([1], [1, 2, 3])):
        with pytest.raises(ValueError, match="rows outside the 2 classes of an episode"):
            one.labels(np.array(positions), np.array(support))


def test_class_counts_are_those_of_the_whole_task():
    _, catalog = one_problem(cells([30] * 12), class_family(support={"ways": 2}))
    for row in catalog.tasks.itertuples():
        assert len(json.loads(row.class_counts)) == row.n_classes == len(json.loads(row.classes))
        assert pd.isna(row.ways) == (row.n_classes == 2)
    assert set(catalog.tasks["meta_split"]) == set(map(str, MetaSplit))
