import io

import numpy as np
import pandas as pd
from fabricated_run import whole_roster
from rich.console import Console

from med_maml_pipeline.metrics.answers import answers
from med_maml_pipeline.reports import terminal_scoreboard
from med_maml_pipeline.reports.terminal import ABREAST
from med_maml_pipeline.reports.wording import learner_label, number, p_label


def _print(scoreboard, width=120):
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(terminal_scoreboard(scoreboard))
    return stream.getvalue()


def _board(reported):
    return pd.concat([one.scoreboard for one in reported.values()], ignore_index=True)


def _rows(board, source="toxcast", size=32):
    of_source = (board["source"] == source) & (board["metric"] == "auroc") & (board["fold"] == "all")
    return board[of_source & (board["support_size"] == size)].set_index("learner")


def test_the_answers_stand_first_with_their_words(reported):
    board = _board(reported)
    text = _print(board)
    line = next(line for line in text.splitlines() if "toxcast · assay" in line)
    rows, answer = _rows(board), answers(board).set_index(["source", "support_size"]).loc[("toxcast", 32)]
    reference = rows[(rows["lane"] == "classical") & rows["diff_to_classical"].isna()]
    assert line.split()[4:9] == [
        "32/class",
        *(number(rows.at[name, "value"]) for name in ("stacked", "selected", reference.index[0], "prior")),
    ]
    for name in ("classical", "prior"):
        assert f"{answer[f'to_{name}']} {p_label(answer[f'holm_to_{name}'])} " in f"{line} "
    assert "†" not in line
    assert "Research use only" in text


def test_a_family_that_does_not_count_is_marked(reported):
    text = _print(_board(reported))
    assert "†" in next(line for line in text.splitlines() if "tox21 · assay" in line)
    assert "†: the family does not count" in text
    assert "†" not in _print(_rows(_board(reported)).reset_index())


def test_every_learner_has_a_line_under_the_numbers_of_the_sources(reported):
    board = _board(reported)
    top, below = _print(board).split("Every learner, by these numbers")
    number_of = next(line.split()[0] for line in top.splitlines() if "toxcast · assay" in line)
    lines = [line.strip() for line in below.splitlines()]
    heads = next(line for line in lines if line.startswith("learner"))
    place = heads.split().index(number_of)
    for learner, row in _rows(board).iterrows():
        line = next(line for line in lines if line.startswith(learner_label(learner)))
        cells = line[len(learner_label(learner)) :].split()
        assert cells[place - 1].strip("▲▼") == number(row["value"])


def test_every_learner_and_many_sources_fit_120_columns(reported):
    rows = _rows(_board(reported)).reset_index()
    rows = rows[rows["learner"] == "maml"]
    lanes = whole_roster()
    rows = pd.concat([rows.assign(learner=name, lane=lane) for name, lane in lanes.items()])
    sources = [f"hospital_{number:02d}_with_a_collection" for number in range(2 * ABREAST + 1)]
    text = _print(pd.concat([rows.assign(source=name) for name in sources], ignore_index=True))
    lines = [f"{line.strip()} " for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    for learner in lanes:
        assert sum(line.startswith(f"{learner_label(learner)} ") for line in lines) == 3  # once per table


def test_triangles_need_an_interval_that_leaves_zero_out(reported):
    board = reported["molecules"].scoreboard
    board = board[board["source"] == "toxcast"].copy()
    for low, high, mark in ((0.01, 0.02, "▲"), (-0.02, -0.01, "▼"), (-0.01, 0.01, ""), (np.nan, np.nan, "")):
        table = _print(board.assign(diff_low=low, diff_high=high)).split("classical)", 1)[1]
        assert {symbol for symbol in "▲▼" if symbol in table} == set(mark)


def test_undefined_is_not_a_number(reported):
    board = reported["molecules"].scoreboard.copy()
    board.loc[board["learner"] == "maml", "value"] = np.nan
    assert "undef." in _print(board)


def test_without_ensembles_the_words_are_blank(reported):
    board = _board(reported)
    text = _print(board[board["lane"] != "ensemble"])
    line = next(line for line in text.splitlines() if "toxcast · assay" in line)
    assert line.split()[5:7] == ["–", "–"]
    assert line.split()[-2:] == ["–", "–"]
