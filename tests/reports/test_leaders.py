import pandas as pd

from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL
from med_maml_pipeline.reports.leaders import mark_leaders


def _leaders(marked, source, lane, metric="auroc"):
    rows = marked[(marked["source"] == source) & (marked["lane"] == lane) & (marked["metric"] == metric)]
    return set(rows.loc[rows["leader"], "learner"])


def test_validation_chooses_the_leader_whatever_the_test_says(reported):
    run, board = reported["molecules"].run, reported["molecules"].scoreboard
    best = run.selection.copy()
    best.loc[best["learner"] == "knn", "value"] = 0.99
    turned = board.assign(value=1 - board["value"])
    assert _leaders(mark_leaders(board, best, run.tasks), "toxcast", "classical") == {"knn"}
    assert _leaders(mark_leaders(turned, best, run.tasks), "toxcast", "classical") == {"knn"}


def test_only_settings_that_were_chosen_count(reported):
    run, board = reported["molecules"].run, reported["molecules"].scoreboard
    tried = run.selection.copy()
    tried.loc[(tried["learner"] == "knn") & ~tried["chosen"], "value"] = 0.99
    assert "knn" not in _leaders(mark_leaders(board, tried, run.tasks), "toxcast", "classical")


def test_rotating_folds_are_led_by_the_row_that_follows_their_choices(reported):
    run, board = reported["ehr"].run, reported["ehr"].scoreboard
    marked = mark_leaders(board[board["fold"] == "all"], run.selection, run.tasks)
    assert _leaders(marked, "heart_disease_4site", "classical") == {CHOSEN_CLASSICAL}


def test_controls_all_lead_and_a_lane_without_choice_shows_all(reported):
    run, board = reported["molecules"].run, reported["molecules"].scoreboard
    marked = mark_leaders(board, pd.DataFrame(), run.tasks)
    assert _leaders(marked, "toxcast", "control") == {"prior", "untrained"}
    assert _leaders(marked, "toxcast", "classical") == {"logistic", "forest", "knn"}
