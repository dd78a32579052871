"""Who speaks for each side, and what the verdict says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.metrics.best import BEST_COLUMNS, best_of_ours
from med_maml_pipeline.metrics.choice import choose_learner
from med_maml_pipeline.metrics.verdict import Outcome, VerdictLine, verdict

Fabricate = Callable[..., Any]


def _lines(run: Any) -> list[VerdictLine]:
    return verdict(run.scoreboard(), run.selection, run.tasks)


def _selection(*rows: tuple[Any, ...], **changes: Any) -> pd.DataFrame:
    columns = ["learner", "support_size", "value", "n_episodes", "chosen"]
    facts = {"problem": "p", "fold": 0, "family": "site", "metric": "auroc", **changes}
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows]).assign(**facts)


def _choose(selection: pd.DataFrame, **changes: Any) -> str | None:
    cell = {"problem": "p", "fold": 0, "family": "site", "regression": False, "support_size": 10, **changes}
    return choose_learner(selection, ["forest", "knn"], **cell)


def test_the_choice_is_the_mean_over_validation_episodes_of_chosen_settings() -> None:
    rows = [("forest", 10, 0.6, 90, True), ("forest", 10, 0.9, 10, True), ("knn", 10, 0.64, 100, True)]
    assert _choose(_selection(*rows)) == "knn"
    assert _choose(_selection(*rows, ("forest", 10, 0.99, 100, False))) == "knn"
    assert _choose(_selection(*rows, ("maml", 10, 0.99, 100, True))) == "knn"


def test_the_choice_looks_at_the_nearest_support_size() -> None:
    rows = [("forest", 5, 0.6, 9, True), ("knn", 5, 0.7, 9, True)]
    rows += [("forest", 40, 0.7, 9, True), ("knn", 40, 0.6, 9, True)]
    chosen = {size: _choose(_selection(*rows), support_size=size) for size in (1, 10, 22, 23, 100)}
    assert chosen == {1: "knn", 10: "knn", 22: "knn", 23: "forest", 100: "forest"}


def test_the_choice_prefers_the_same_family_and_stays_in_its_fold() -> None:
    own = _selection(("forest", 5, 0.6, 9, True), ("knn", 5, 0.5, 9, True))
    other = _selection(("forest", 10, 0.6, 9, True), ("knn", 10, 0.9, 9, True), family="table")
    both = pd.concat([own, other])
    assert _choose(both) == "forest"
    assert _choose(both, family="unknown") == "knn"
    assert _choose(own, fold=1) is None
    assert _choose(own, problem="q") is None


def test_the_choice_prefers_the_same_kind_of_target_and_takes_the_other_where_there_is_none() -> None:
    classes = _selection(("forest", 5, 0.6, 9, True), ("knn", 5, 0.5, 9, True))
    numbers = _selection(("forest", 5, 0.1, 9, True), ("knn", 5, 0.2, 9, True)).assign(metric="r2")
    both = pd.concat([classes, numbers])
    assert (_choose(both), _choose(both, regression=True)) == ("forest", "knn")
    assert _choose(classes, regression=True) == "forest"


def test_undefined_and_diverged_values_are_never_chosen() -> None:
    rows = [("forest", 10, np.nan, 0, True), ("knn", 10, 0.4, 9, True)]
    assert _choose(_selection(*rows)) == "knn"
    assert _choose(_selection(rows[0])) is None
    assert _choose(_selection(("forest", 10, -np.inf, 9, True), rows[1])) == "knn"


def test_ties_go_to_the_first_name() -> None:
    assert _choose(_selection(("knn", 10, 0.5, 9, True), ("forest", 10, 0.5, 9, True))) == "forest"


def test_best_of_ours_repeats_the_scoreboard(fabricate: Fabricate) -> None:
    run = fabricate(skill={"protonet": 3.0})  # the best on test, but validation prefers MAML
    board = run.scoreboard()
    best = best_of_ours(board, run.selection, run.tasks)
    assert tuple(best.columns) == BEST_COLUMNS
    assert len(best) == 2 * board["metric"].nunique()
    assert set(zip(best["ours"], best["ours_lane"], best["classical"], best["prior"], strict=True)) == {
        ("maml", "optimisation", "forest", "prior")
    }
    keys = ["support_size", "metric"]
    for learner, prefix in (("maml", ""), ("forest", "classical_"), ("prior", "prior_")):
        rows = best.merge(board[board["learner"] == learner], on=keys, suffixes=("", "_board"))
        for name in ("value", "ci_low", "ci_high"):
            assert (rows[f"{prefix}{name}"] == rows[f"{name}_board"]).all()
    ours = best.merge(board[board["learner"] == "maml"], on=keys)
    assert (ours["diff_to_prior_low_x"] == ours["diff_to_prior_low_y"]).all()


def test_over_folds_best_of_ours_follows_the_choice_of_each_fold(fabricate: Fabricate) -> None:
    def validation(learner: str, fold: int) -> float:
        return {"maml": 0.8, "linear_probe": 0.7 + 0.2 * fold, "forest": 0.6}.get(learner, 0.5)

    run = fabricate(folds=2, validation=validation)
    board = run.scoreboard()
    row = best_of_ours(board, run.selection, run.tasks).iloc[0]
    assert (row["ours"], row["ours_lane"]) == ("linear_probe, maml", "transfer, optimisation")
    followed = board[(board["learner"] == "chosen_ours") & (board["metric"] == row["metric"])].iloc[0]
    assert (row["value"], row["diff_low"]) == (followed["value"], followed["diff_low"])
    assert _lines(run)[0].sentence.count("Learning from other tasks") == 1


@pytest.mark.parametrize(
    ("skill", "outcome", "words"),
    [
        ({"maml": 3.0}, Outcome.HELPED, "Meta-learning helped"),
        (
            {"maml": 3.0, "prior": 3.0},
            Outcome.TIED,
            "did not help here .*the zero-shot prior is just as good",
        ),
        ({"forest": 3.0}, Outcome.WORSE, "did not help here .*learner, forest, is better, difference -"),
        ({}, Outcome.TIED, "did not help here .*forest, is just as good .*prior is just as good"),
    ],
    ids=["helped", "prior is enough", "worse", "no difference"],
)
def test_the_verdict_says_plainly_whether_meta_learning_helped(
    fabricate: Fabricate, skill: dict[str, float], outcome: Outcome, words: str
) -> None:
    run = fabricate(n_tasks=10, n_query=40, skill=skill)
    lines = _lines(run)
    assert [(line.support_size, line.outcome) for line in lines] == [(5, outcome), (10, outcome)]
    for line in lines:
        assert re.search(words, line.sentence)
        assert line.sentence.startswith(f"ward, condition, {line.support_size} examples per class: the ")


def test_the_winner_is_the_side_with_the_highest_value(fabricate: Fabricate) -> None:
    line = _lines(fabricate(n_tasks=10, skill={"forest": 3.0}))[0]
    assert line.winner == line.classical
    assert "the classical lane (forest) has the highest AUROC, 0.9" in line.sentence


def test_transfer_is_called_transfer(fabricate: Fabricate) -> None:
    line = _lines(fabricate(learners=("linear_probe", "forest"), skill={"linear_probe": 3.0}))[0]
    assert (line.outcome, line.prior) == (Outcome.HELPED, None)
    assert "Transfer learning helped" in line.sentence


def test_numeric_targets_are_judged_by_rank_correlation(fabricate: Fabricate) -> None:
    run = fabricate(n_tasks=8, n_classes=0, natural=True, protocol="published")
    assert _lines(run)[0].metric == "spearman"
    assert "ward, condition (published protocol), 5 examples in all" in _lines(run)[0].sentence


def test_one_test_task_says_nothing_about_others(fabricate: Fabricate) -> None:
    assert "say nothing about other tasks" in _lines(fabricate(n_tasks=1, draws=4))[0].sentence
    assert "say nothing about other tasks" not in _lines(fabricate(n_tasks=2))[0].sentence


@pytest.mark.parametrize(
    ("learners", "words"),
    [
        (("forest", "prior"), "no learner of ours was run and chosen"),
        (("maml",), "a reference or its interval is missing"),
    ],
)
def test_without_sides_there_is_no_verdict(
    fabricate: Fabricate, learners: tuple[str, ...], words: str
) -> None:
    line = _lines(fabricate(learners=learners))[0]
    assert line.outcome is Outcome.OPEN
    assert words in line.sentence


def test_beating_the_prior_alone_is_no_help_shown(fabricate: Fabricate) -> None:
    assert (
        _lines(fabricate(learners=("maml", "prior"), n_tasks=10, skill={"maml": 3.0}))[0].outcome
        is Outcome.OPEN
    )


def test_without_validation_tasks_no_side_is_chosen(fabricate: Fabricate) -> None:
    run = fabricate()
    run.selection = run.selection.iloc[:0]
    line = _lines(run)[0]
    assert (line.ours, line.classical, line.outcome) == (None, None, Outcome.OPEN)


def test_a_missing_choice_is_not_called_undefined(fabricate: Fabricate) -> None:
    run = fabricate(learners=("maml", "forest"))
    run.selection = run.selection.iloc[:0]
    sentence = _lines(run)[0].sentence
    assert "no learner could be chosen on validation tasks" in sentence
    assert "undefined" not in sentence


def test_undefined_everywhere_is_told_as_such(fabricate: Fabricate) -> None:
    run = fabricate(sizes=(5,))
    run.predictions["y"] = run.predictions["y"].map(np.ones_like)
    line = _lines(run)[0]
    assert (line.winner, line.outcome) == (None, Outcome.OPEN)
    assert "AUROC is undefined for every learner" in line.sentence


def test_an_empty_scoreboard_has_no_verdict(fabricate: Fabricate) -> None:
    run = fabricate()
    run.predictions = run.predictions.iloc[:0]
    assert _lines(run) == []
