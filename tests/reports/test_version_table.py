"""Two versions of a scoreboard side by side."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from med_maml_pipeline.reports.version_table import compare_versions, version_table


@pytest.fixture
def board(reported) -> pd.DataFrame:
    return pd.concat([one.scoreboard for one in reported.values()], ignore_index=True)


def _text(compared: pd.DataFrame, width: int = 120) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(version_table(compared, "first-version", "second-version"))
    return stream.getvalue()


def _of(frame: pd.DataFrame, source: str, learner: str) -> pd.DataFrame:
    return frame[(frame["source"] == source) & (frame["learner"] == learner)]


def test_differences_are_second_minus_first(board: pd.DataFrame) -> None:
    later = board.copy()
    changed = (board["source"] == "toxcast") & (board["learner"] == "maml")
    later.loc[changed, "value"] += 0.125
    compared = compare_versions(board, later)
    shift = np.where((compared["source"] == "toxcast") & (compared["learner"] == "maml"), 0.125, 0)
    defined = compared["first"].notna()
    assert compared.loc[defined, "difference"].to_numpy() == pytest.approx(shift[defined])
    assert set(compared["episodes"]) == {"same"}
    assert set(compared["metric"]) == {"auroc", "accuracy", "spearman"}
    assert not compared.duplicated(["source", "task_family", "metric", "support_size", "learner"]).any()
    text = _text(compared)
    assert "+.125" in text
    assert "comparable episode by episode" in text


def test_other_episodes_are_not_comparable(board: pd.DataFrame) -> None:
    later = board.copy()
    later.loc[board["source"] == "toxcast", "episodes_checksum"] = "another"
    compared = compare_versions(board, later)
    assert set(_of(compared, "toxcast", "maml")["episodes"]) == {"other"}
    assert set(compared[compared["source"] != "toxcast"]["episodes"]) == {"same"}
    number = int((compared["episodes"] == "other").sum())
    assert f"{number} rows were judged on other episodes" in " ".join(_text(compared).split())
    assert "not comparable pairwise" in " ".join(_text(compared).split())


def test_what_only_one_version_has(board: pd.DataFrame) -> None:
    first = board[board["learner"] != "knn"]
    second = board[board["source"] != "toxcast"]
    compared = compare_versions(first, second)
    gone, new = _of(compared, "toxcast", "maml"), compared[compared["learner"] == "knn"]
    assert set(gone["episodes"]) == {"only first"}
    assert gone["second"].isna().all()
    assert set(new["episodes"]) == {"only second"}
    assert compared.loc[new.index, "difference"].isna().all()


def test_it_fits_120_columns(board: pd.DataFrame) -> None:
    lines = _text(compare_versions(board, board)).splitlines()
    assert max(map(len, lines)) <= 120
