"""Which metric a family is judged on, and where chance lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from med_maml_pipeline.metrics.primary import PRIMARY_METRICS, chance_level, is_primary, primary_metric
from med_maml_pipeline.metrics.scores import LOWER_IS_BETTER, METRICS
from med_maml_pipeline.metrics.verdict import verdict

Fabricate = Callable[..., Any]


@pytest.mark.parametrize(
    ("ways", "balanced", "metric"),
    [
        ([5], True, "accuracy"),
        ([5, 5], True, "accuracy"),
        ([5], False, "balanced_accuracy"),
        ([2], True, "auroc"),
        ([2], False, "auroc"),
        ([3, 5], True, "auroc"),
        ([None], True, "auroc"),
        ([5, None], True, "auroc"),
    ],
)
def test_accuracy_needs_one_number_of_classes_above_two(
    ways: list[int | None], balanced: bool, metric: str
) -> None:
    assert primary_metric(regression=False, ways=ways, balanced=balanced) == metric


def test_numbers_are_ranked() -> None:
    assert primary_metric(regression=True, ways=[], balanced=False) == "spearman"
    assert set(PRIMARY_METRICS) <= set(METRICS)
    assert not set(PRIMARY_METRICS) & LOWER_IS_BETTER


@pytest.mark.parametrize(
    ("metric", "n_way", "chance"),
    [
        ("auroc", 2, 0.5),
        ("auroc", None, 0.5),
        ("accuracy", 4, 0.25),
        ("balanced_accuracy", 5, 0.2),
        ("accuracy", None, None),
        ("spearman", None, None),
    ],
)
def test_chance(metric: str, n_way: int | None, chance: float | None) -> None:
    assert chance_level(metric, n_way) == chance


def test_each_family_has_its_own_metric(fabricate: Fabricate) -> None:
    five = fabricate(n_classes=5, family="cells", problem="a").scoreboard()
    two = fabricate(n_classes=2, family="condition", problem="b").scoreboard()
    numbers = fabricate(n_classes=0, family="stay", problem="c").scoreboard()
    board = pd.concat([five, two, numbers])  # the index repeats
    rows = board[is_primary(board)]
    assert rows.groupby("task_family")["metric"].unique().map(list).to_dict() == {
        "cells": ["accuracy"],
        "condition": ["auroc"],
        "stay": ["spearman"],
    }
    assert len(rows) == len(board.drop_duplicates(["task_family", "learner", "support_size", "fold"]))


def test_one_size_with_other_ways_turns_the_whole_family_to_auroc(fabricate: Fabricate) -> None:
    board = fabricate(n_classes=5).scoreboard()
    board.loc[board["support_size"] == 10, "n_way"] = pd.NA
    assert set(board[is_primary(board)]["metric"]) == {"auroc"}
    assert set(board[is_primary(board)]["support_size"]) == {5, 10}


def test_a_verdict_on_n_ways_is_spoken_on_accuracy(fabricate: Fabricate) -> None:
    run = fabricate(n_classes=5, n_tasks=8, skill={"maml": 3.0})
    lines = verdict(run.scoreboard(), run.selection, run.tasks)
    assert {(line.metric, line.n_way) for line in lines} == {("accuracy", 5)}
    assert lines[0].sentence.startswith("ward, condition, 5 examples per class, 5-way: the optimisation lane")
    assert "has the highest accuracy, 0." in lines[0].sentence
