"""Several meta-training seeds: a mean over them in each episode, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.metrics.contest import Entry
from med_maml_pipeline.metrics.intervals import bootstrap_mean, paired_difference
from med_maml_pipeline.metrics.scores import score_predictions
from med_maml_pipeline.metrics.seeds import seed_sd

Fabricate = Callable[..., Any]
SEEDS = (3, 4, 5)


def _row(board: pd.DataFrame, learner: str, fold: str = "all") -> pd.Series:
    rows = board[(board["learner"] == learner) & (board["metric"] == "auroc") & (board["support_size"] == 5)]
    (row,) = (row for _, row in rows[rows["fold"] == fold].iterrows())
    return row


def _aurocs(run: Any) -> pd.DataFrame:
    """One row per episode, learner and seed, of size 5."""
    scores = score_predictions(run.predictions)
    return scores[(scores["metric"] == "auroc") & scores["episode_id"].str.contains("/5/")]


def test_the_deviation_is_that_of_the_means_over_tasks() -> None:
    nan = np.nan
    first = [[0.2, nan], [0.4, 1.0], [0.9, 2.0]]  # tasks a, a, b
    second = [[0.4, nan], [0.6, 1.0], [0.7, nan]]
    table = pd.DataFrame(
        [(seed, task, value) for seed, rows in enumerate((first, second))
         for task, (value, _) in zip("aab", rows, strict=True)],
        columns=["seed", "task", "value"],
    )  # fmt: skip
    means = table.groupby(["seed", "task"])["value"].mean().groupby("seed").mean()
    assert means.tolist() == pytest.approx([0.6, 0.6])
    found = seed_sd(np.array([first, second]), ["a", "a", "b"])
    assert found[0] == pytest.approx(means.std(), abs=1e-15)
    assert found[1] == pytest.approx(np.std([1.5, 1.0], ddof=1))


def test_one_seed_has_no_deviation_and_an_undefined_one_makes_it_undefined() -> None:
    values = np.array([[[0.5], [0.7]], [[np.nan], [np.nan]]])
    assert np.isnan(seed_sd(values[:1], ["a", "b"])).all()
    assert np.isnan(seed_sd(values, ["a", "b"])).all()


def test_an_episode_has_the_mean_over_the_seeds_where_it_is_defined() -> None:
    by_seed = np.array([[[0.5, 1.0], [np.nan, 3.0]], [[0.7, np.nan], [np.nan, 5.0]]])
    values = Entry("metric", np.array(["a", "a"], dtype=object), by_seed, np.zeros((2, 3))).values
    np.testing.assert_array_equal(values, [[0.6, 1.0], [np.nan, 4.0]])


def test_values_intervals_and_differences_are_of_means_over_seeds(fabricate: Fabricate) -> None:
    run = fabricate(seeds=SEEDS)
    row = _row(run.scoreboard(), "maml")
    long = _aurocs(run)
    table = long.groupby(["task_id", "episode_id", "learner"])["value"].mean().unstack()
    tasks = table.index.get_level_values("task_id")
    value = bootstrap_mean(table["maml"], tasks, seed=3, n_bootstrap=200)
    difference = paired_difference(table["maml"], table["forest"], tasks, seed=3, n_bootstrap=200)
    assert [row["value"], row["ci_low"], row["ci_high"]] == pytest.approx([value.mean, value.low, value.high])
    found = [row["diff_to_classical"], row["diff_low"], row["diff_high"]]
    assert found == pytest.approx([difference.mean, difference.low, difference.high])
    means = (
        long[long["learner"] == "maml"].groupby(["seed", "task_id"])["value"].mean().groupby("seed").mean()
    )
    assert row["seed_sd"] == pytest.approx(means.std())
    assert row["value"] == pytest.approx(means.mean())
    assert (row["n_seeds"], row["n_tasks"], row["n_episodes"]) == (3, 4, 8)


def test_one_seed_says_so(fabricate: Fabricate) -> None:
    board = fabricate(folds=2).scoreboard()
    assert set(board["n_seeds"]) == {1}
    assert board["seed_sd"].isna().all()


def test_seeds_that_agree_change_nothing_but_their_number(fabricate: Fabricate) -> None:
    run = fabricate(folds=2)
    before = run.scoreboard()
    for name in ("predictions", "selection", "costs"):
        table = getattr(run, name)
        setattr(run, name, pd.concat([table, table.assign(seed=9)]))
    after = run.scoreboard()
    new = ["n_seeds", "seed_sd"]
    pd.testing.assert_frame_equal(after.drop(columns=new), before.drop(columns=new))
    assert set(after["n_seeds"]) == {2}
    assert (after["seed_sd"] == 0).all()


def test_rows_that_follow_the_choice_of_each_fold_have_a_deviation_too(fabricate: Fabricate) -> None:
    def validation(learner: str, fold: int) -> float:
        return {"maml": 0.8, "protonet": 0.7 + 0.2 * fold}.get(learner, 0.5)

    run = fabricate(folds=2, seeds=SEEDS, validation=validation)
    long = _aurocs(run)
    taken = long[long["learner"] == np.where(long["fold"] == 0, "maml", "protonet")]
    means = taken.groupby(["seed", "task_id"])["value"].mean().groupby("seed").mean()
    row = _row(run.scoreboard(), "chosen_ours")
    assert row["value"] == pytest.approx(means.mean())
    assert row["seed_sd"] == pytest.approx(means.std())


def test_costs_are_means_over_seeds(fabricate: Fabricate) -> None:
    run = fabricate(seeds=SEEDS)
    run.costs["seconds_meta_fit"] = run.costs["seed"].map({3: 10.0, 4: 12.0, 5: 17.0})
    run.costs["peak_memory_mib"] = run.costs["seed"].map({3: 100.0, 4: 100.0, 5: 130.0})
    run.predictions["seconds_adapt"] = run.predictions["seed"] / 10
    row = _row(run.scoreboard(), "maml")
    assert row[["seconds_meta_fit", "peak_memory_mib"]].tolist() == pytest.approx([13.0, 110.0])
    assert row["seconds_adapt_per_task"] == pytest.approx(0.4)


def test_every_learner_has_equally_many_seeds(fabricate: Fabricate) -> None:
    run = fabricate(seeds=SEEDS)
    gone = (run.predictions["learner"] == "forest") & (run.predictions["seed"] == 5)
    run.predictions = run.predictions[~gone]
    with pytest.raises(MedMamlError, match="seeds: 2 for learner 'forest', 3 for .*with the same 'seeds'"):
        run.scoreboard()


def test_every_seed_is_judged_on_every_episode(fabricate: Fabricate) -> None:
    run = fabricate(seeds=SEEDS)
    own = run.predictions[(run.predictions["learner"] == "maml") & (run.predictions["seed"] == 4)]
    run.predictions = run.predictions.drop(own.index[0])
    with pytest.raises(MedMamlError, match="'maml': 15 predictions cover 15 of 16 stored test episodes"):
        run.scoreboard()


def test_predictions_of_an_earlier_version_are_refused(fabricate: Fabricate) -> None:
    run = fabricate()
    run.predictions = run.predictions.drop(columns="seed")
    with pytest.raises(MedMamlError, match="no column 'seed'; run adaptation again"):
        run.scoreboard()
