"""Learners with networks: what every one must keep, and what each must be able to learn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score, roc_auc_score

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import LANES, get_learner
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

WIDTH, ROWS, TEST_TASKS = 20, 60, 8
BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
METRIC = ("protonet_cosine", "protonet_mahalanobis", "matching", "relation", "r2d2", "dkt", "adkf")
NETWORKS = (
    *METRIC,
    *("maml", "fomaml", "anil", "boil", "meta_sgd", "maml_pp"),
    *("protomaml", "reptile", "imaml"),
    *("protonet", "linear_probe", "fine_tune", "baseline_pp", "lda"),
    *("cnp", "anp", "snail"),
    *("untrained", "forest_on_features"),
)
EVERY = (*NETWORKS, "in_context", "prior", "prior_residual")


def _labels(angle: float, x: np.ndarray, target_type: TargetType, n_classes: int) -> np.ndarray:
    """Labels by a direction of the task's own, within the plane of the first two inputs."""
    along = x[:, :2] @ [np.cos(angle), np.sin(angle)]
    across = x[:, :2] @ [-np.sin(angle), np.cos(angle)]
    if target_type is BINARY:
        return (along > 0).astype(np.float32)
    if target_type is MULTICLASS:
        return np.minimum((along > 0) * 2 + (across > 0), n_classes - 1).astype(np.float32)
    return (50 + 10 * along).astype(np.float32)


def _family(
    types: dict[TargetType, int], *, n_train: int = 12, missing: float = 0.0, one_angle: bool = False
) -> Problem:
    """Training and test tasks of each type, each over rows of its own in one table."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(types) * (n_train + TEST_TASKS) * ROWS, WIDTH)).astype(np.float32)
    tasks = []
    for target_type, n_classes in types.items():
        for number in range(n_train + TEST_TASKS):
            rows = np.arange(len(tasks) * ROWS, (len(tasks) + 1) * ROWS)
            angle = 0.0 if one_angle else rng.uniform(0, 2 * np.pi)
            split = MetaSplit.TRAIN if number < n_train else MetaSplit.TEST
            y = _labels(angle, x[rows], target_type, n_classes)
            name = f"s/main/f/{target_type}{number}"
            tasks.append(
                Task(name, "s/main", "f", "s", target_type, n_classes, split, rows, y, rows, one_angle)
            )
    x[rng.random(x.shape) < missing] = np.nan
    table = FeatureTable(x, tuple(f"x{i}" for i in range(WIDTH)), (FeatureKind.NUMERIC,) * WIDTH)
    return Problem("p", 0, {"s/main": table}, tuple(tasks), (), shared_inputs=True)


@cache
def mixed() -> Problem:
    """All target types, missing cells, classes that differ in number."""
    return _family({BINARY: 2, MULTICLASS: 3, REGRESSION: 0}, n_train=4, missing=0.1)


@cache
def alike() -> Problem:
    """Binary tasks that all mean the same."""
    return _family({BINARY: 2}, one_angle=True)


@cache
def unlike() -> Problem:
    """Tables of different width: no column in common."""
    rng = np.random.default_rng(1)
    tables, tasks = {}, []
    for number, width in enumerate((5, 9, 40, 7)):
        x = rng.normal(size=(ROWS, width)).astype(np.float32)
        y = (x[:, number] > 0).astype(np.float32)
        key, rows = f"s/t{number}", np.arange(ROWS)
        split = MetaSplit.TRAIN if number < 3 else MetaSplit.TEST
        tables[key] = FeatureTable(x, tuple(map(str, range(width))), (FeatureKind.NUMERIC,) * width)
        tasks.append(Task(key, key, "table", "s", BINARY, 2, split, rows, y, rows))
    return Problem("p", 0, tables, tuple(tasks), (), shared_inputs=False)


def _problem_for(name: str) -> Problem:
    return alike() if name.startswith("prior") else mixed()


@cache
def tiny(name: str) -> Checkpoint:
    """Barely trained: enough for what must hold whatever was learned."""
    return get_learner(name).meta_fit(_problem_for(name), _tiny_settings(name), 0, Monitor())


def _tiny_settings(name: str) -> dict[str, object]:
    return {"steps": 4, "hidden": (8,), **({"embedding": 6} if name == "protonet" else {})}


def _fast_settings(name: str, steps: int) -> dict[str, object]:
    """Few steps at a high rate: the families are easy."""
    rate = "outer_lr" if name in ("maml", "protonet") else "learning_rate"
    return {
        "steps": steps,
        "hidden": (32, 16),
        rate: 0.01,
        **({"embedding": 8} if name == "protonet" else {}),
    }


def _support(problem: Problem, task: Task, n: int = 16) -> Support:
    return problem.support(task, np.arange(n))


def _quality(name: str, checkpoint: Checkpoint, problem: Problem, settings=None, n: int = 16) -> float:
    """Mean over test tasks of AUROC or R² on the rows behind the support."""
    learner, values = get_learner(name), []
    for task in problem.split(MetaSplit.TEST):
        query = problem.query(task, np.arange(n, ROWS))
        scores = learner.adapt(
            checkpoint, _support(problem, task, n), learner.adapt_grid[0] if settings is None else settings, 0
        )(query.x)
        if task.target_type is REGRESSION:
            values.append(r2_score(query.y, scores))
        elif task.target_type is BINARY:
            values.append(roc_auc_score(query.y, scores[:, 1] - scores[:, 0]))
        else:
            values.append(float((scores.argmax(1) == query.y).mean()))
    return float(np.mean(values))


def _bytes(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in checkpoint.arrays.items()}


# What every learner must keep -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_adaptation_leaves_the_checkpoint_bit_identical(name):
    learner, checkpoint, problem = get_learner(name), tiny(name), _problem_for(name)
    before = _bytes(checkpoint)
    for task in problem.split(MetaSplit.TEST)[::TEST_TASKS]:
        for settings in learner.adapt_grid[:4]:
            learner.adapt(checkpoint, _support(problem, task), settings, 0)(
                problem.query(task, np.arange(30)).x
            )
    assert _bytes(checkpoint) == before


@pytest.mark.parametrize("name", EVERY)
def test_a_query_scores_the_same_alone_and_in_company(name):
    learner, problem = get_learner(name), _problem_for(name)
    for task in problem.split(MetaSplit.TEST)[::TEST_TASKS]:
        predict = learner.adapt(tiny(name), _support(problem, task), learner.adapt_grid[0], 0)
        x = problem.query(task, np.arange(16, 28)).x
        together, alone = predict(x), np.concatenate([predict(row[None]) for row in x])
        shape = (len(x),) if task.target_type is REGRESSION else (len(x), task.n_classes)
        assert together.shape == shape
        assert together.dtype == np.float32
        np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_meta_training_is_a_function_of_data_settings_and_seed(name):
    learner, problem = get_learner(name), _problem_for(name)
    again = learner.meta_fit(problem, _tiny_settings(name), 0, Monitor())
    other = learner.meta_fit(problem, _tiny_settings(name), 1, Monitor())
    assert _bytes(again) == _bytes(tiny(name))
    np.testing.assert_equal(list(again.history), list(tiny(name).history))
    assert _bytes(other) != _bytes(tiny(name))


@pytest.mark.parametrize("name", EVERY)
def test_meta_training_reads_no_task_but_those_for_training(name):
    problem = _problem_for(name)
    train = {task.task_id for task in problem.split(MetaSplit.TRAIN)}
    seen = {row for task in problem.split(MetaSplit.TRAIN) for row in task.rows}
    table = problem.tables["s/main"]
    x = table.x.copy()
    x[[row for row in range(len(x)) if row not in seen]] = 7.0
    tasks = tuple(t if t.task_id in train else replace(t, y=t.y[::-1].copy()) for t in problem.tasks)
    spoilt = replace(problem, tables={"s/main": replace(table, x=x)}, tasks=tasks)
    refit = get_learner(name).meta_fit(spoilt, _tiny_settings(name), 0, Monitor())
    assert _bytes(refit) == _bytes(tiny(name))


@pytest.mark.parametrize("name", EVERY)
def test_an_unknown_setting_is_refused_by_name(name):
    with pytest.raises(ConfigurationError, match=r"unknown setting 'stepz'.*steps"):
        get_learner(name).meta_fit(_problem_for(name), {"stepz": 4}, 0, Monitor())


@pytest.mark.parametrize("name", NETWORKS)
def test_tables_without_a_common_column_share_a_learner(name):
    problem, learner = unlike(), get_learner(name)
    checkpoint = learner.meta_fit(problem, _tiny_settings(name), 0, Monitor())
    (task,) = problem.split(MetaSplit.TEST)
    predict = learner.adapt(checkpoint, _support(problem, task), learner.adapt_grid[0], 0)
    scores = predict(problem.query(task, np.arange(16, ROWS)).x)
    assert np.isfinite(scores).all()
    assert scores.shape == (ROWS - 16, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_supports_of_one_class_and_of_one_value_give_finite_scores(name):
    problem, learner = mixed(), get_learner(name)
    for task in problem.split(MetaSplit.TEST)[::TEST_TASKS]:
        support = _support(problem, task)
        constant = replace(support, y=np.zeros_like(support.y))
        scores = learner.adapt(tiny(name), constant, learner.adapt_grid[0], 0)(support.x)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", EVERY)
def test_history_and_progress_tell_of_the_same_steps(name):
    told: list[int] = []
    problem = _problem_for(name)
    monitor = Monitor(lambda done, total, figures: told.append(done))
    checkpoint = get_learner(name).meta_fit(problem, _tiny_settings(name), 0, monitor)
    if name == "untrained":
        assert checkpoint.history == ()
        return
    assert [record["step"] for record in checkpoint.history] == told == [1, 2, 3, 4]
    assert all(np.isfinite(record["loss"]) for record in checkpoint.history)


# What each must be able to learn --------------------------------------------------------------------------


def test_maml_starts_at_chance_improves_and_beats_the_support_alone():
    problem = _family({BINARY: 2}, n_train=40)
    learner = get_learner("maml")
    fits = [learner.meta_fit(problem, _fast_settings("maml", n), 0, Monitor()) for n in (1, 100)]
    unadapted = _quality("maml", fits[0], problem, {"adapt_steps": 0})
    assert abs(unadapted - 0.5) < 0.1
    start, end = (_quality("maml", fit, problem) for fit in fits)
    logistic = get_learner("logistic")
    alone = _quality("logistic", logistic.meta_fit(problem, {}, 0, Monitor()), problem)
    assert end > max(start, alone) + 0.05
    assert end > 0.93
    losses = [record["loss"] for record in fits[1].history]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize("name", ["protonet", "linear_probe", "fine_tune"])
def test_metric_and_transfer_learners_beat_the_untrained_network(name):
    problem = _family({BINARY: 2}, n_train=40)
    settings = _fast_settings(name, 100)
    checkpoint = get_learner(name).meta_fit(problem, settings, 0, Monitor())
    untrained = get_learner("untrained").meta_fit(problem, {"hidden": (32, 16)}, 0, Monitor())
    adaptation = {"adapt_steps": 50} if name == "fine_tune" else None
    quality = _quality(name, checkpoint, problem, adaptation)
    assert quality > _quality("untrained", untrained, problem) + 0.05
    assert quality > 0.85


@pytest.mark.parametrize("name", ["maml", "protonet", "linear_probe", "fine_tune"])
@pytest.mark.parametrize(
    ("types", "chance", "goal"), [({REGRESSION: 0}, 0.0, 0.6), ({MULTICLASS: 4}, 0.25, 0.5)]
)
def test_numeric_targets_and_many_classes_are_learned(name, types, chance, goal):
    problem = _family(types, n_train=40)
    settings = _fast_settings(name, 100)
    checkpoint = get_learner(name).meta_fit(problem, settings, 0, Monitor())
    adaptation = {"adapt_steps": 50} if name == "fine_tune" else None
    assert _quality(name, checkpoint, problem, adaptation, n=24) > goal > chance


# What each promises of its own ----------------------------------------------------------------------------


def test_maml_does_nothing_with_no_steps_and_something_with_one():
    problem, learner = mixed(), get_learner("maml")
    task = problem.split(MetaSplit.TEST)[0]
    x = problem.query(task, np.arange(30, ROWS)).x
    one, other = (problem.support(task, np.arange(start, start + 15)) for start in (0, 15))
    still, stepped = ({"adapt_steps": 0}, {"adapt_steps": 1})
    scores = [learner.adapt(tiny("maml"), s, still, 0)(x) for s in (one, other)]
    np.testing.assert_array_equal(*scores)
    assert (learner.adapt(tiny("maml"), one, stepped, 0)(x) != scores[0]).any()


@pytest.mark.parametrize("name", ["maml", "protonet", "fine_tune", *METRIC])
def test_the_order_of_many_classes_does_not_matter(name):
    problem, learner = mixed(), get_learner(name)
    task = next(task for task in problem.split(MetaSplit.TEST) if task.target_type is MULTICLASS)
    support, x = _support(problem, task), problem.query(task, np.arange(16, ROWS)).x
    order = np.array([2, 0, 1])
    renamed = replace(support, y=order[support.y.astype(int)].astype(np.float32))
    plain, permuted = (learner.adapt(tiny(name), s, learner.adapt_grid[0], 0)(x) for s in (support, renamed))
    np.testing.assert_allclose(permuted[:, order], plain, rtol=1e-5, atol=1e-6)


def test_values_in_other_units_give_predictions_in_other_units():
    problem = mixed()
    task = next(task for task in problem.split(MetaSplit.TEST) if task.target_type is REGRESSION)
    support, x = _support(problem, task), problem.query(task, np.arange(16, ROWS)).x
    for name in (
        "maml",
        "protonet",
        "linear_probe",
        "fine_tune",
        "lda",
        *METRIC,
    ):  # a forest breaks ties by rounding
        learner = get_learner(name)
        plain, scaled = (
            learner.adapt(tiny(name), s, learner.adapt_grid[0], 0)(x)
            for s in (support, replace(support, y=support.y * 1000 - 7))
        )
        np.testing.assert_allclose(scaled, plain * 1000 - 7, rtol=1e-4)


def test_fine_tuning_from_the_mean_head_with_no_steps_is_a_zero_shot_prediction():
    problem, learner = alike(), get_learner("fine_tune")
    checkpoint = learner.meta_fit(problem, _fast_settings("fine_tune", 60), 0, Monitor())
    assert _quality("fine_tune", checkpoint, problem, {"adapt_steps": 0, "head": "mean"}) > 0.9
    assert _quality("fine_tune", checkpoint, problem, {"adapt_steps": 0, "head": "zero"}) == 0.5


def test_learners_on_the_pre_trained_network_can_share_one_checkpoint():
    names = LANES["transfer"]
    assert len({get_learner(name).trunk for name in names}) == 1
    assert len({tuple(map(str, get_learner(name).meta_grid)) for name in names}) == 1
    assert all(_bytes(tiny(name)) == _bytes(tiny(names[0])) for name in names)


def test_the_untrained_network_is_the_start_of_the_pre_trained_one():
    settings = {"steps": 0, "hidden": (8,)}
    probe, untrained = (
        get_learner(n).meta_fit(mixed(), settings, 0, Monitor()) for n in ("linear_probe", "untrained")
    )
    assert _bytes(probe) == _bytes(untrained)


def test_the_prior_ignores_the_support():
    problem, learner = alike(), get_learner("prior")
    task = problem.split(MetaSplit.TEST)[0]
    x = problem.query(task, np.arange(16, ROWS)).x
    support = _support(problem, task)
    flipped = replace(support, x=-support.x, y=1 - support.y)
    one, other = (learner.adapt(tiny("prior"), s, {}, 0)(x) for s in (support, flipped))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_the_prior_learns_what_tasks_have_in_common(hidden):
    settings = {"steps": 60, "hidden": hidden, "learning_rate": 0.03}
    checkpoint = get_learner("prior").meta_fit(alike(), settings, 0, Monitor())
    assert _quality("prior", checkpoint, alike()) > 0.95
    numeric = _family({REGRESSION: 0}, one_angle=True)
    checkpoint = get_learner("prior").meta_fit(numeric, settings, 0, Monitor())
    assert _quality("prior", checkpoint, numeric) > 0.8


def test_the_prior_is_defined_only_where_targets_share_a_meaning():
    prior = get_learner("prior")
    assert prior.supports(alike())
    assert prior.supports(_family({REGRESSION: 0}, one_angle=True))
    assert not prior.supports(_family({BINARY: 2}))
    assert not prior.supports(_family({MULTICLASS: 3}, one_angle=True))
    assert not prior.supports(_family({BINARY: 2, REGRESSION: 0}, one_angle=True))
    assert not prior.supports(replace(alike(), shared_inputs=False))
    assert not prior.supports(replace(alike(), tasks=alike().split(MetaSplit.TEST)))


@pytest.mark.parametrize("name", NETWORKS)
def test_learners_need_training_tasks(name):
    assert get_learner(name).supports(mixed())
    assert not get_learner(name).supports(replace(mixed(), tasks=mixed().split(MetaSplit.TEST)))
