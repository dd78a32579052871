"""Bootstrap intervals: by hand, by simulation, by a plain loop."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from med_maml_pipeline.metrics import intervals
from med_maml_pipeline.metrics.intervals import bootstrap_columns, bootstrap_mean, paired_difference


def _draws(seed: int, n_tasks: int, n_draws: int, between: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Values of draws within tasks: true mean 0, task effects of size ``between``, noise of size 1."""
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(n_tasks), n_draws)
    return between * rng.normal(size=n_tasks)[tasks] + rng.normal(size=len(tasks)), tasks


def test_the_mean_is_over_tasks_of_means_over_draws() -> None:
    found = bootstrap_mean([1.0, 1.0, 1.0, 5.0, np.nan], ["a", "a", "a", "b", "b"], seed=0)
    assert found.mean == 3.0
    assert (found.n_tasks, found.n_episodes, found.n_undefined) == (2, 4, 1)


def test_an_interval_agrees_with_a_plain_two_stage_loop() -> None:
    values, tasks = _draws(1, 8, 3)
    values, tasks = values[:-1], tasks[:-1]  # one task has fewer draws
    rng = np.random.default_rng(0)
    replicates = []
    for _ in range(4_000):
        picked = [values[tasks == task] for task in rng.integers(8, size=8)]
        replicates.append(np.mean([rng.choice(draws, size=len(draws)).mean() for draws in picked]))
    found = bootstrap_mean(values, tasks, seed=0, n_bootstrap=4_000)
    assert (found.low, found.high) == pytest.approx(np.quantile(replicates, [0.025, 0.975]), abs=0.06)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    samples = [bootstrap_mean(*_draws(seed, 25, 3), seed=seed, n_bootstrap=400) for seed in range(300)]
    covered = np.mean([found.low <= 0 <= found.high for found in samples])
    assert 0.91 <= covered <= 0.99


def test_resampling_episodes_alone_would_be_far_too_sure() -> None:
    values, tasks = _draws(0, 25, 20, between=2.0)
    found = bootstrap_mean(values, tasks, seed=0)
    pooled = bootstrap_mean(values, np.zeros(len(values)), seed=0)  # as if all were one task
    assert found.mean == pytest.approx(pooled.mean)
    assert found.high - found.low > 2 * (pooled.high - pooled.low)


def test_a_single_task_resamples_its_episodes() -> None:
    found = bootstrap_mean([0.0, 1.0], ["a", "a"], seed=0)
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)


def test_one_draw_per_task_resamples_tasks() -> None:
    values, tasks = _draws(3, 40, 1)
    found = bootstrap_mean(values, tasks, seed=0, n_bootstrap=4_000)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(40), rel=0.1)


def test_a_single_value_has_no_interval() -> None:
    found = bootstrap_mean([0.7, np.nan], ["a", "b"], seed=0)
    assert found.mean == 0.7
    assert np.isnan([found.low, found.high]).all()


def test_nothing_defined_is_undefined() -> None:
    found = bootstrap_mean([np.nan, np.nan], ["a", "b"], seed=0)
    assert np.isnan([found.mean, found.low, found.high]).all()
    assert (found.n_tasks, found.n_episodes, found.n_undefined) == (0, 0, 2)


def test_equal_seeds_give_equal_intervals_whatever_the_names_of_tasks() -> None:
    values, tasks = _draws(0, 6, 2)
    assert bootstrap_mean(values, tasks, seed=5) == bootstrap_mean(values, [f"t{i}" for i in tasks], seed=5)
    assert bootstrap_mean(values, tasks, seed=5) != bootstrap_mean(values, tasks, seed=6)


def test_pairing_removes_what_both_learners_share() -> None:
    rng = np.random.default_rng(0)
    values, tasks = _draws(0, 10, 4, between=3.0)
    reference = values - 0.5 + 0.1 * rng.normal(size=len(values))
    paired = paired_difference(values, reference, tasks, seed=0)
    alone = bootstrap_mean(values, tasks, seed=0)
    assert paired.low > 0.4
    assert paired.high < 0.6
    assert paired.high - paired.low < 0.1 * (alone.high - alone.low)


def test_differences_run_over_episodes_where_both_are_defined() -> None:
    found = paired_difference([1.0, 2.0, np.nan, 4.0], [0.0, np.nan, 1.0, 2.0], list("abcd"), seed=0)
    assert (found.mean, found.n_episodes, found.n_undefined) == (1.5, 2, 2)


def test_learners_share_their_replicates() -> None:
    values, tasks = _draws(0, 7, 3)
    both = np.stack([values, 2 * values + 1, np.where(tasks == 0, np.nan, values)], axis=1)
    plain, scaled, partial = bootstrap_columns(both, tasks, seed=0)
    assert (scaled.low, scaled.high) == pytest.approx((2 * plain.low + 1, 2 * plain.high + 1))
    for together, column in ((plain, values), (partial, both[:, 2])):
        assert astuple(together) == pytest.approx(astuple(bootstrap_mean(column, tasks, seed=0)))


def test_large_tables_are_resampled_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    values, tasks = _draws(0, 12, 3)
    whole = bootstrap_mean(values, tasks, seed=0, n_bootstrap=3_000)
    monkeypatch.setattr(intervals, "_CELLS", 12 * 3 * 7)
    parts = bootstrap_mean(values, tasks, seed=0, n_bootstrap=3_000)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=0.06)
