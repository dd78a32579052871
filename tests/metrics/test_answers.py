"""Answers: which families count, what is adjusted for their number, what is said of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.metrics.answers import ANSWER_COLUMNS, answers
from med_maml_pipeline.metrics.schema import SCOREBOARD_COLUMNS, validate_scoreboard


def board(*rows: dict[str, object]) -> pd.DataFrame:
    shared: dict[str, object] = dict.fromkeys(SCOREBOARD_COLUMNS, np.nan)
    shared |= {
        "modality": "ehr", "task_family": "f", "fold": "all", "lane": "ensemble", "learner": "stacked",
        "n_way": 2, "n_shot": 5, "support_size": 5, "metric": "auroc", "value": 0.8, "n_tasks": 12,
        "n_episodes": 24,
        "episodes_checksum": "x", "protocol": "disjoint", "selected_on": "y", "seed": 0, "n_seeds": 1,
        "diff_to_classical": 0.1, "p_to_classical": 0.02, "diff_to_prior": -0.1, "p_to_prior": 0.02,
    }  # fmt: skip
    return validate_scoreboard(pd.DataFrame([{**shared, **row} for row in rows])[list(SCOREBOARD_COLUMNS)])


def test_adjusts_over_the_families_of_one_size():
    found = answers(
        board(
            {"source": "a"},
            {"source": "b", "p_to_classical": 0.03, "p_to_prior": 0.2},
            {"source": "c", "p_to_classical": 0.001, "p_to_prior": np.nan, "diff_to_prior": np.nan},
            {"source": "a", "support_size": 10, "n_shot": 10},
        )
    ).set_index(["source", "support_size"])
    assert found["holm_to_classical"].round(6).tolist() == [0.04, 0.04, 0.003, 0.02]
    assert found["to_classical"].tolist() == ["better"] * 4
    assert found["to_prior"].tolist() == ["worse", "level", "", "worse"]
    assert found["holm_to_prior"].fillna(-1).round(6).tolist() == [0.04, 0.2, -1, 0.02]


@pytest.mark.parametrize(
    ("n_tasks", "n_episodes", "protocol", "counted"),
    [
        (10, 20, "disjoint", True),
        (9, 199, "disjoint", False),
        (1, 200, "disjoint", True),
        (10, 20, "published", False),
    ],
)
def test_small_families_and_waivers_are_listed_and_adjusted_for_nothing(
    n_tasks, n_episodes, protocol, counted
):
    small = {"source": "a", "n_tasks": n_tasks, "n_episodes": n_episodes, "protocol": protocol}
    found = answers(board(small, {"source": "b", "p_to_classical": 0.03})).set_index("source")
    assert found.loc["a", "counted"] == counted
    assert found.loc["b", "to_classical"] == "better"
    assert found.loc["b", "holm_to_classical"] == pytest.approx(0.04 if counted else 0.03)
    assert np.isnan(found.loc["a", "holm_to_classical"]) != counted
    assert found.loc["a", "to_classical"] == "better"  # by its own p-value where it does not count


def test_episodes_count_over_all_sizes():
    sizes = [
        {"source": "a", "n_tasks": 1, "n_episodes": 70, "support_size": s, "n_shot": s} for s in (1, 5, 10)
    ]
    assert answers(board(*sizes))["counted"].all()
    assert not answers(board(*sizes[:2]))["counted"].any()


def test_reads_the_primary_metric_of_the_answer_alone():
    found = answers(
        board({"source": "a"}, {"source": "a", "metric": "brier"}, {"source": "a", "learner": "maml"},
              {"source": "a", "fold": "0"})
    )  # fmt: skip
    assert len(found) == 1
    assert found["metric"].tolist() == ["auroc"]
    assert tuple(found.columns) == ANSWER_COLUMNS
    assert answers(board({"source": "a", "learner": "maml"})).empty
