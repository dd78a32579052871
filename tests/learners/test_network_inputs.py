"""What networks are fed in meta-training: encoded rows, padded episodes, pooled labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.episode_batches import InputDropout, balance, batches, labelled
from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.layer_rates import initial_log_rates, rates_from_logs
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.perturbation import perturbation
from med_maml_pipeline.learners.pooled_rows import PooledRows
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import MLP
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, MetaSplit, Problem, TargetType, Task

torch.set_num_threads(1)


@pytest.fixture
def problem() -> Problem:
    """Two binary tasks that overlap in rows, one numeric task, on a table with a missing cell."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    x[0, 0] = np.nan
    table = FeatureTable(x, ("a", "b", "c"), (FeatureKind.NUMERIC,) * 3)

    def task(name: str, target_type: TargetType, rows: np.ndarray, y: np.ndarray) -> Task:
        n_classes = 2 if target_type is TargetType.BINARY else 0
        return Task(name, "s/main", "f", "s", target_type, n_classes, MetaSplit.TRAIN, rows, y, rows)

    first, second, third = np.arange(0, 20), np.arange(10, 30), np.arange(5, 40)
    tasks = (
        task("first", TargetType.BINARY, first, (first % 2).astype(np.float32)),
        task("second", TargetType.BINARY, second, (second % 3 == 0).astype(np.float32)),
        task("third", TargetType.REGRESSION, third, third.astype(np.float32)),
    )
    return Problem("p", 0, {"s/main": table}, tasks, (), shared_inputs=True)


def test_rows_are_what_the_checkpoints_encoder_gives_at_adaptation(problem):
    inputs = NetworkInputs.fit(problem, 0)
    positions = np.array([3, 0, 7])
    for task in problem.tasks:
        support = problem.support(task, positions)
        expected = encode_support(Checkpoint("any", inputs.arrays), support).x
        np.testing.assert_array_equal(inputs.rows(task, positions), expected)
    assert inputs.width == 4  # three columns and a missingness flag


def test_mean_square_norm_is_that_of_the_rows(problem):
    inputs = NetworkInputs.fit(problem, 0)
    (matrix,) = inputs.matrices.values()
    assert inputs.mean_square_norm() == pytest.approx(
        (np.linalg.norm(matrix, axis=1) ** 2).mean() + 1, rel=1e-6
    )


def test_episodes_are_grouped_by_head_and_padded_without_weight(problem):
    inputs = NetworkInputs.fit(problem, 0)
    at = np.arange
    drawn = [
        (problem.tasks[0], at(4), at(4, 9)),
        (problem.tasks[2], at(6), at(6, 9)),
        (problem.tasks[1], at(6), at(6, 8)),
    ]
    binary, numeric = batches(inputs, drawn, "cpu")
    assert (binary.target_type, len(binary), numeric.target_type, len(numeric)) == (
        "binary",
        2,
        "regression",
        1,
    )
    support = binary.episodes.support
    assert support.x.shape == (2, 6, 4)
    torch.testing.assert_close(support.weight.sum(1), torch.ones(2))
    assert support.weight[0, 4:].abs().sum() == support.x[0, 4:].abs().sum() == 0
    # Numeric targets in units of the support's deviation, the query's too.
    values = problem.tasks[2].y
    expected = (values[6:9] - values[:6].mean()) / values[:6].std()
    np.testing.assert_allclose(numeric.episodes.query.y[0].numpy(), expected, rtol=1e-5)


def test_an_empty_query_weighs_nothing():
    rows = labelled(
        [(np.zeros((0, 2), np.float32), np.zeros(0)), (np.ones((3, 2), np.float32), np.ones(3))],
        TargetType.BINARY,
        device="cpu",
    )
    assert rows.weight.sum(1).tolist() == pytest.approx([0.0, 1.0])


def test_balance_gives_the_classes_present_the_same_say():
    y = torch.tensor([[0, 0, 0, 1, 0], [1, 1, 0, 0, 0]])
    weight = torch.tensor([[0.25] * 4 + [0.0], [0.5, 0.5, 0.0, 0.0, 0.0]])
    got = balance(Labelled(torch.zeros(2, 5, 1), y, weight), 2).weight
    torch.testing.assert_close(got[0], torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2, 0.0]))
    torch.testing.assert_close(got[1], weight[1])


def test_dropout_hides_the_same_columns_from_support_and_query_of_a_task(problem):
    inputs = NetworkInputs.fit(problem, 0)
    drawn = [(problem.tasks[0], np.arange(1, 9), np.arange(9, 20))] * 30
    (batch,) = batches(inputs, drawn, "cpu")
    episodes = InputDropout(0.5, 0, 0)(batch).episodes
    for before, after in ((batch.episodes.support, episodes.support), (batch.episodes.query, episodes.query)):
        ratio = torch.where(before.x != 0, after.x / before.x, torch.nan)
        low, high = ratio.nan_to_num(9).amin(1), ratio.nan_to_num(-9).amax(1)
        shown = high >= low
        assert torch.equal(low[shown], high[shown])  # one factor per task and column
        assert set(low[shown].tolist()) == {0.0, 2.0}
    hidden = [rows.x.abs().sum(1)[:, :3] == 0 for rows in (episodes.support, episodes.query)]
    assert torch.equal(*hidden)
    assert len(torch.unique(hidden[0], dim=0)) > 1  # tasks differ
    assert perturbation(None, MamlTraining(input_dropout=0.0), 0, 0) is None


def test_pooled_rows_carry_the_labels_of_every_task_over_them(problem):
    inputs = NetworkInputs.fit(problem, 0)
    pooled = PooledRows.of(problem, inputs)
    x, labels = pooled.batch(0, 0, 400)
    again = pooled.batch(0, 0, 400)
    np.testing.assert_array_equal(x, again[0])
    (matrix,) = inputs.matrices.values()
    for row, observed in zip(x, labels, strict=True):
        (number,) = np.flatnonzero((matrix == row).all(1))  # all 40 rows are in use: place is row number
        for column, task in enumerate(problem.tasks):
            at = np.flatnonzero(task.rows == number)
            if len(at) == 0:
                assert np.isnan(observed[column])
            else:
                centre, scale = pooled.scales[column]
                assert observed[column] == pytest.approx((task.y[at[0]] - centre) / scale, abs=1e-5)


def test_pooled_rows_favour_neither_large_tasks_nor_frequent_classes():
    sizes, rare = (30, 300), 10
    x = np.random.default_rng(0).normal(size=(330, 2)).astype(np.float32)
    tasks, start = [], 0
    for size in sizes:
        rows = np.arange(start, start + size)
        y = (np.arange(size) < rare).astype(np.float32)
        tasks.append(
            Task(str(size), "s/main", "f", "s", TargetType.BINARY, 2, MetaSplit.TRAIN, rows, y, rows)
        )
        start += size
    table = FeatureTable(x, ("a", "b"), (FeatureKind.NUMERIC,) * 2)
    problem = Problem("p", 0, {"s/main": table}, tuple(tasks), (), shared_inputs=True)
    _, labels = PooledRows.of(problem, NetworkInputs.fit(problem, 0)).batch(0, 0, 4000)
    share = [[float((labels[:, task] == label).mean()) for label in (0, 1)] for task in (0, 1)]
    np.testing.assert_allclose(share, 0.25, atol=0.03)


def test_rates_are_inverse_to_what_enters_each_layer():
    rates = rates_from_logs(initial_log_rates(MLP(2000, (10, 4), 2), 0.5, mean_square_norm=250.0), scale=2.0)
    assert set(rates) == {"first", "tail.body.1", "tail.head"}
    assert [rates[k].item() for k in rates] == pytest.approx([1 / 250, 1 / 6, 1 / 3])


def test_the_outer_loop_minimises_and_keeps_the_curve():
    start = {"w": torch.ones(3, 1, requires_grad=True), "b": torch.ones(3, requires_grad=True)}
    told = []

    def losses_at(step: int) -> Iterator[torch.Tensor]:
        yield ((start["w"][:, 0] - start["b"]) ** 2).sum()
        yield ((start["b"] - 3) ** 2).sum()

    monitor = Monitor(progress=lambda done, total, figures: told.append((done, total, figures.get("loss"))))
    made = optimise(start, losses_at, Schedule(300, 0.1), lambda: Checkpoint("line"), monitor)
    assert made.history[-1]["loss"] < 1e-3 < made.history[0]["loss"]
    assert len(made.history) == 50
    assert [done for done, _, _ in told] == [*range(1, 301)]
    assert told[-1] == (300, 300, made.history[-1]["loss"])


def test_settings_fill_a_block_and_refuse_what_they_do_not_know():
    assert read_settings(MamlTraining, {"hidden": [4, 2]}, "maml").hidden == (4, 2)
    with pytest.raises(
        ConfigurationError, match="'maml': unknown setting 'inner_steep'; expected one of: .*inner_steps"
    ):
        read_settings(MamlTraining, {"inner_steep": 2}, "maml")
