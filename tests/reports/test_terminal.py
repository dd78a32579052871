import io

import numpy as np
import pandas as pd
from rich.console import Console

from med_maml_pipeline.learners.registry import LEARNERS
from med_maml_pipeline.reports import terminal_scoreboard
from med_maml_pipeline.reports.terminal import SHORT
from med_maml_pipeline.reports.wording import number


def _print(scoreboard, width=120):
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(terminal_scoreboard(scoreboard))
    return stream.getvalue()


def _board(reported):
    return pd.concat([one.scoreboard for one in reported.values()])


def test_values_of_the_largest_support_are_shown(reported):
    board = _board(reported)
    text = _print(board)
    rows = board[
        (board["source"] == "toxcast") & (board["metric"] == "auroc") & (board["support_size"] == 32)
    ]
    line = next(line for line in text.splitlines() if line.strip().startswith("toxcast"))
    assert "32/class" in line
    assert all(number(value) in line for value in rows["value"])
    assert "Research use only" in text


def test_every_learner_of_the_house_fits_120_columns(reported):
    board = _board(reported)
    rows = board[board["learner"] == "maml"]
    extra = [rows.assign(learner=name) for name in set(LEARNERS) - set(board["learner"])]
    text = _print(pd.concat([board, *extra]))
    assert set(LEARNERS) <= set(SHORT)
    heads = text.split("toxcast", 1)[0]
    assert all(SHORT[name] in heads for name in LEARNERS)
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text


def test_triangles_need_an_interval_that_leaves_zero_out(reported):
    board = reported["molecules"].scoreboard
    board = board[board["source"] == "toxcast"].copy()
    for low, high, mark in ((0.01, 0.02, "▲"), (-0.02, -0.01, "▼"), (-0.01, 0.01, ""), (np.nan, np.nan, "")):
        table = _print(board.assign(diff_low=low, diff_high=high)).split("toxcast", 1)[1]
        assert {symbol for symbol in "▲▼" if symbol in table} == set(mark)


def test_undefined_is_not_a_number(reported):
    board = reported["molecules"].scoreboard.copy()
    board.loc[board["learner"] == "maml", "value"] = np.nan
    assert "undef." in _print(board)
