"""The scoreboard: columns, values, references, folds, and what it refuses."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.errors import ConfigurationError, MedMamlError
from med_maml_pipeline.metrics.intervals import bootstrap_mean, paired_difference
from med_maml_pipeline.metrics.schema import SCOREBOARD_COLUMNS, validate_scoreboard
from med_maml_pipeline.metrics.scores import score_predictions
from med_maml_pipeline.tasks.checksums import episodes_checksum

Fabricate = Callable[..., Any]

COLUMNS = [
    "modality",
    "source",
    "task_family",
    "fold",
    "lane",
    "learner",
    "n_way",
    "n_shot",
    "support_size",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "diff_to_classical",
    "diff_low",
    "diff_high",
    "p_to_classical",
    "diff_to_prior",
    "diff_to_prior_low",
    "diff_to_prior_high",
    "p_to_prior",
    "n_tasks",
    "n_episodes",
    "episodes_checksum",
    "protocol",
    "selected_on",
    "seed",
    "n_seeds",
    "seed_sd",
    "seconds_meta_fit",
    "seconds_budget",
    "seconds_adapt_per_task",
    "peak_memory_mib",
]


def _row(
    board: pd.DataFrame, learner: str, *, metric: str = "auroc", size: int = 5, fold: str = "all"
) -> pd.Series:
    rows = board[
        (board["learner"] == learner)
        & (board["metric"] == metric)
        & (board["support_size"] == size)
        & (board["fold"] == fold)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


def _spoil(run: Any, learner: str) -> None:
    """Gives a learner's test predictions the wrong way round."""
    spoilt = run.predictions["learner"] == learner
    run.predictions.loc[spoilt, "scores"] = run.predictions.loc[spoilt, "scores"].map(lambda scores: -scores)


def test_columns_are_exactly_those_promised_in_that_order(fabricate: Fabricate) -> None:
    assert list(fabricate().scoreboard().columns) == COLUMNS == list(SCOREBOARD_COLUMNS)


def test_values_and_differences_are_those_of_the_episodes(fabricate: Fabricate) -> None:
    run = fabricate()
    row = _row(run.scoreboard(), "maml", metric="brier")
    scores = score_predictions(run.predictions)
    scores = scores[(scores["metric"] == "brier") & scores["episode_id"].str.contains("/5/")]
    table = scores.pivot(index=["task_id", "episode_id"], columns="learner", values="value")
    tasks = table.index.get_level_values("task_id")
    value = bootstrap_mean(table["maml"], tasks, seed=3, n_bootstrap=200)
    to_classical = paired_difference(table["maml"], table["forest"], tasks, seed=3, n_bootstrap=200)
    to_prior = paired_difference(table["maml"], table["prior"], tasks, seed=3, n_bootstrap=200)
    names = [("value", "ci_low", "ci_high"), ("diff_to_classical", "diff_low", "diff_high")]
    names.append(("diff_to_prior", "diff_to_prior_low", "diff_to_prior_high"))
    for columns, expected in zip(names, (value, to_classical, to_prior), strict=True):
        found = [row[column] for column in columns]
        assert found == pytest.approx([expected.mean, expected.low, expected.high])
    assert (row["n_tasks"], row["n_episodes"]) == (4, 8)


def test_facts_of_the_run_stand_in_every_row(fabricate: Fabricate) -> None:
    board = fabricate(protocol="published").scoreboard(modality="molecules", seed=11)
    facts = board[["modality", "source", "task_family", "fold", "protocol", "seed", "selected_on"]]
    expected = ["molecules", "ward", "condition", "all", "published", 11, "validation tasks (1)"]
    assert facts.drop_duplicates().to_numpy().tolist() == [expected]
    row = _row(board, "maml")
    assert (row["seconds_meta_fit"], row["seconds_adapt_per_task"], row["peak_memory_mib"]) == (10, 0.5, 100)


def test_the_reference_has_no_difference_to_itself(fabricate: Fabricate) -> None:
    board = fabricate().scoreboard()
    blank = board.groupby("learner")[["diff_to_classical", "diff_to_prior"]].apply(
        lambda rows: rows.isna().all()
    )
    assert blank["diff_to_classical"][lambda rows: rows].index.tolist() == ["forest"]
    assert blank["diff_to_prior"][lambda rows: rows].index.tolist() == ["prior"]


def test_the_best_classical_learner_is_never_chosen_on_test(fabricate: Fabricate) -> None:
    run = fabricate(skill={"forest": 0.1, "logistic": 3.0})  # validation prefers the forest, test does not
    before = run.scoreboard()
    assert _row(before, "logistic")["diff_to_classical"] > 0.1
    _spoil(run, "forest")
    after = run.scoreboard()
    assert after.loc[after["learner"] == "forest", "diff_to_classical"].isna().all()
    assert _row(after, "maml")["diff_to_classical"] > _row(before, "maml")["diff_to_classical"]


def test_differences_are_value_minus_reference_for_errors_too(fabricate: Fabricate) -> None:
    row = _row(fabricate(skill={"maml": 3.0}).scoreboard(), "maml", metric="brier")
    assert row["diff_high"] < 0


def test_checksum_is_that_of_the_stored_episodes_and_the_same_for_all_learners(fabricate: Fabricate) -> None:
    run = fabricate(folds=2)
    board = run.scoreboard()
    assert (board.groupby(["support_size", "fold"])["episodes_checksum"].nunique() == 1).all()
    test = run.episodes[(run.episodes["meta_split"] == "test") & (run.episodes["support_size"] == 10)]
    assert _row(board, "maml", size=10)["episodes_checksum"] == episodes_checksum(test)
    inside = episodes_checksum(test[test["fold"] == 1])
    assert _row(board, "prior", size=10, fold="1")["episodes_checksum"] == inside


def test_order_of_the_tables_does_not_matter(fabricate: Fabricate) -> None:
    run = fabricate(folds=2)
    before = run.scoreboard()
    for name in ("predictions", "tasks", "episodes", "selection", "costs"):
        setattr(run, name, getattr(run, name).sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(run.scoreboard(), before)


def test_undefined_metrics_stay_undefined(fabricate: Fabricate) -> None:
    run = fabricate(sizes=(5,))
    run.predictions["y"] = run.predictions["y"].map(np.ones_like)
    row = _row(run.scoreboard(), "maml")
    assert row[["value", "ci_low", "ci_high", "diff_to_classical", "diff_to_prior"]].isna().all()
    assert (row["n_tasks"], row["n_episodes"]) == (0, 0)
    assert _row(run.scoreboard(), "maml", metric="accuracy")["n_episodes"] == 8


def test_undefined_episodes_are_left_out_and_counted(fabricate: Fabricate) -> None:
    run = fabricate(sizes=(5,))
    first = run.predictions["task_id"] == run.predictions["task_id"].iloc[0]
    run.predictions.loc[first, "y"] = run.predictions.loc[first, "y"].map(np.zeros_like)
    row = _row(run.scoreboard(), "maml")
    assert (row["n_tasks"], row["n_episodes"]) == (3, 6)
    assert 0 < row["ci_low"] <= row["value"] <= row["ci_high"]


def test_kinds_of_targets_and_supports(fabricate: Fabricate) -> None:
    numeric = fabricate(n_classes=0, natural=True).scoreboard()
    assert set(numeric["metric"]) == {"r2", "spearman", "mae"}
    assert numeric[["n_way", "n_shot"]].isna().all(axis=None)
    four = fabricate(n_classes=4).scoreboard()
    assert set(four["n_way"]) == {4}
    assert (four["n_shot"] == four["support_size"]).all()


def test_tasks_of_differing_numbers_of_classes_share_a_cell_without_a_number(fabricate: Fabricate) -> None:
    two, three = fabricate(source="clinic"), fabricate(source="clinic", n_classes=3)
    for frame in (three.tasks, three.episodes, three.predictions):
        frame["task_id"] = frame["task_id"] + "_three"
        if "episode_id" in frame:
            frame["episode_id"] = frame["episode_id"] + "_three"
    for name in ("tasks", "episodes", "predictions"):
        setattr(two, name, pd.concat([getattr(two, name), getattr(three, name)]))
    row = _row(two.scoreboard(), "maml")
    assert pd.isna(row["n_way"])
    assert row["n_tasks"] == 8


def test_folds_have_their_own_rows_and_one_over_all(fabricate: Fabricate) -> None:
    run = fabricate(folds=2)
    board = run.scoreboard()
    assert set(board["fold"]) == {"all", "0", "1"}
    parts = [_row(board, "maml", fold=fold) for fold in ("0", "1")]
    whole = _row(board, "maml")
    assert whole["value"] == pytest.approx(np.mean([part["value"] for part in parts]))
    assert [row["n_tasks"] for row in (*parts, whole)] == [2, 2, 4]
    assert [row["seconds_meta_fit"] for row in (*parts, whole)] == [10, 10, 20]
    assert [row["peak_memory_mib"] for row in (*parts, whole)] == [100, 101, 101]
    assert whole["selected_on"] == "validation tasks (1 per fold)"


def test_over_folds_the_reference_follows_the_choice_of_each_fold(fabricate: Fabricate) -> None:
    def validation(learner: str, fold: int) -> float:
        return {"forest": 0.8, "logistic": 0.7 + 0.2 * fold, "maml": 0.8, "protonet": 0.7 + 0.2 * fold}.get(
            learner, 0.5
        )

    board = fabricate(folds=2, validation=validation).scoreboard()
    chosen = {("0", "forest"), ("1", "logistic")}
    values = [_row(board, learner, fold=fold)["value"] for fold, learner in chosen]
    assert _row(board, "chosen_classical")["value"] == pytest.approx(np.mean(values))
    for fold, learner in chosen:
        assert np.isnan(_row(board, learner, fold=fold)["diff_to_classical"])
        assert not np.isnan(_row(board, learner)["diff_to_classical"])
    ours = [_row(board, "maml", fold="0"), _row(board, "protonet", fold="1")]
    followed = _row(board, "chosen_ours")
    assert followed["lane"] == "ensemble"
    assert followed["value"] == pytest.approx(np.mean([row["value"] for row in ours]))
    assert followed["diff_to_classical"] == pytest.approx(np.mean([row["diff_to_classical"] for row in ours]))


def test_a_learner_that_a_fold_lacks_has_rows_only_where_it_ran(fabricate: Fabricate) -> None:
    run = fabricate(folds=2)
    gone = (run.predictions["fold"] == 1) & (run.predictions["learner"] == "protonet")
    run.predictions = run.predictions[~gone]
    board = run.scoreboard()
    assert set(board.loc[board["learner"] == "protonet", "fold"]) == {"0"}


def test_without_validation_tasks_there_is_no_reference(fabricate: Fabricate) -> None:
    run = fabricate()
    run.selection = run.selection.iloc[:0]
    board = run.scoreboard()
    assert board["diff_to_classical"].isna().all()
    assert set(board["selected_on"]) == {"fixed settings"}
    assert not _row(board, "maml")[["diff_to_prior", "diff_to_prior_low"]].isna().any()


def test_a_lane_run_alone_still_has_its_rows(fabricate: Fabricate) -> None:
    board = fabricate(learners=("maml",)).scoreboard()
    assert set(board["learner"]) == {"maml"}
    assert board["value"].notna().all()
    assert board[["diff_to_classical", "diff_to_prior"]].isna().all(axis=None)


def test_no_predictions_make_an_empty_scoreboard(fabricate: Fabricate) -> None:
    run = fabricate()
    run.predictions = run.predictions.iloc[:0]
    board = run.scoreboard()
    assert board.empty
    assert list(board.columns) == COLUMNS


def test_a_learner_may_not_leave_episodes_out(fabricate: Fabricate) -> None:
    run = fabricate()
    run.predictions = run.predictions.drop(run.predictions.index[run.predictions["learner"] == "maml"][0])
    with pytest.raises(
        MedMamlError, match="learner 'maml': 15 predictions cover 15 of 16 stored test episodes"
    ):
        run.scoreboard()


def test_a_learner_may_not_be_judged_twice_or_on_validation_episodes(fabricate: Fabricate) -> None:
    run = fabricate()
    run.predictions = pd.concat([run.predictions, run.predictions.iloc[:1]])
    with pytest.raises(MedMamlError, match="17 predictions cover 16 of 16"):
        run.scoreboard()
    run = fabricate()
    run.episodes["meta_split"] = "validation"
    with pytest.raises(MedMamlError, match="cover 0 of 0 stored test episodes and 16 others"):
        run.scoreboard()


def test_problems_that_would_share_rows_are_told_apart_by_the_user(fabricate: Fabricate) -> None:
    run, other = fabricate(), fabricate(problem="other")
    for name in ("predictions", "tasks", "episodes", "selection", "costs"):
        setattr(run, name, pd.concat([getattr(run, name), getattr(other, name)]))
    with pytest.raises(ConfigurationError, match="family 'condition'.*problems other, ward_condition"):
        run.scoreboard()


def test_a_waiver_stands_beside_the_disjoint_protocol(fabricate: Fabricate) -> None:
    run, other = fabricate(), fabricate(problem="ward_published", protocol="published", seed=1)
    for name in ("predictions", "tasks", "episodes", "selection", "costs"):
        setattr(run, name, pd.concat([getattr(run, name), getattr(other, name)]))
    board = run.scoreboard()
    rows = board[(board["learner"] == "maml") & (board["metric"] == "auroc") & (board["support_size"] == 5)]
    assert rows.groupby("protocol")["value"].first().nunique() == 2


def test_a_scoreboard_survives_csv(fabricate: Fabricate) -> None:
    board = fabricate(natural=True, folds=2).scoreboard()
    again = validate_scoreboard(
        pd.read_csv(io.StringIO(board.to_csv(index=False)), float_precision="round_trip")
    )
    pd.testing.assert_frame_equal(again, board)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda board: board.drop(columns="ci_low"), "ci_low: column_in_dataframe"),
        (lambda board: board.assign(patient="canary"), "patient: column_in_schema"),
        (lambda board: board[[*board.columns[1:], board.columns[0]]], "column_ordered"),
        (lambda board: board.assign(lane="canary"), r"lane: isin.*\(96\)"),
        (lambda board: board.assign(n_tasks="canary"), "n_tasks: "),
        (
            lambda board: pd.concat([board, board.iloc[:1].assign(source="ward")]),
            "key: multiple_fields_uniqueness",
        ),
    ],
    ids=["missing", "further", "order", "lane", "type", "twice"],
)
def test_a_wrong_scoreboard_is_refused_without_telling_cells(
    fabricate: Fabricate, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(MedMamlError, match=message) as caught:
        validate_scoreboard(change(fabricate().scoreboard()))
    assert "canary" not in str(caught.value)
    assert "ward" not in str(caught.value)


def test_n_way_is_the_number_of_classes_in_an_episode(fabricate: Fabricate) -> None:
    run = fabricate(n_classes=3)
    run.tasks["n_classes"] = 7
    run.tasks["ways"] = pd.array([3] * len(run.tasks), dtype="Int64")
    assert set(run.scoreboard()["n_way"]) == {3}
    run.tasks.loc[run.tasks["label"] == "t0", ["n_classes", "ways"]] = [4, None]
    assert run.scoreboard()["n_way"].isna().all()
