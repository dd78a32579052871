"""The script that fills the results tables of README and pages."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.metrics.answer_sides import answer_sides
from med_maml_pipeline.metrics.best import BEST_COLUMNS
from med_maml_pipeline.metrics.schema import SCOREBOARD_COLUMNS, validate_scoreboard

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"from_runs.{name}")


def _row(**cells: object) -> pd.DataFrame:
    blank = dict.fromkeys(BEST_COLUMNS, np.nan)
    cell = {
        "modality": "molecules",
        "source": "tox21",
        "task_family": "assay",
        "protocol": "disjoint",
        "support_size": 10,
        "metric": "auroc",
    }
    return pd.DataFrame([{**blank, **cell, "n_shot": 10, **cells}])


def _board(*rows: dict[str, object]) -> pd.DataFrame:
    shared: dict[str, object] = dict.fromkeys(SCOREBOARD_COLUMNS, np.nan)
    shared |= {
        "modality": "molecules", "source": "tox21", "task_family": "assay", "fold": "all", "lane": "ensemble",
        "learner": "stacked", "n_way": 2, "n_shot": 10, "support_size": 10, "metric": "auroc", "value": 0.8,
        "ci_low": 0.75, "ci_high": 0.85, "n_tasks": 12, "n_episodes": 24, "episodes_checksum": "x",
        "protocol": "disjoint", "selected_on": "y", "seed": 0, "n_seeds": 1, "diff_to_classical": 0.1,
        "diff_low": 0.05, "diff_high": 0.15, "p_to_classical": 0.002, "diff_to_prior": 0.02,
        "diff_to_prior_low": -0.01, "diff_to_prior_high": 0.05, "p_to_prior": 0.2,
        "seconds_adapt_per_task": 0.25,
    }  # fmt: skip
    return validate_scoreboard(pd.DataFrame([{**shared, **row} for row in rows])[list(SCOREBOARD_COLUMNS)])


def _last(table: str) -> str:
    return [line for line in table.splitlines() if line.startswith("|")][-1].replace("\u00a0", " ")


def test_a_difference_that_leaves_out_zero_is_bold():
    row = _row(
        ours="maml", value=0.75, ci_low=0.7, ci_high=0.8,
        classical="forest", classical_value=0.69, classical_ci_low=0.6, classical_ci_high=0.78,
        diff_to_classical=0.06, diff_low=0.01, diff_high=0.11,
        prior="prior", prior_value=0.72, diff_to_prior=0.03, diff_to_prior_low=-0.01, diff_to_prior_high=0.07,
    )  # fmt: skip
    assert _last(_module("best_table").best_table(row)) == (
        "| tox21 | assay | 10 per class | AUROC "
        "| MAML<br>.750 [.700, .800] | Random forest<br>.690 [.600, .780] "
        "| .720 | **+.060 [+.010, +.110]** | +.030 [−.010, +.070] |"
    )


def test_what_was_not_chosen_is_blank():
    line = _last(_module("best_table").best_table(_row(protocol="published", n_shot=np.nan)))
    assert line == "| tox21 | assay (published protocol) | 10 in all | AUROC | – | – | – | – | – |"


def test_an_answer_stands_beside_its_references_with_adjusted_words():
    best = _row(
        classical="svm", classical_value=0.7, classical_ci_low=0.6, classical_ci_high=0.75,
        prior="prior", prior_value=0.78, prior_ci_low=0.7, prior_ci_high=0.8,
    )  # fmt: skip
    board = _board(
        {},
        {"source": "sider"},
        {"learner": "selected", "value": 0.77, "ci_low": 0.7, "ci_high": 0.8},
        {"source": "small", "n_tasks": 3, "p_to_classical": 0.03, "p_to_prior": np.nan},
    )
    table = _module("answers_table").answers_table(answer_sides(board, best))
    lines = table.replace("\u00a0", " ").splitlines()
    assert (
        "| tox21 | assay | 10 per class | AUROC | .800 [.750, .850] | .770 [.700, .800] "
        "| Support vectors<br>.700 [.600, .750] | .780 [.700, .800] "
        "| **+.100 [+.050, +.150]**<br>better, p .004 | +.020 [−.010, +.050]<br>level, p .400 |"
    ) in lines
    assert (
        "| small | assay † | 10 per class | AUROC | .800 [.750, .850] | – | – | – "
        "| **+.100 [+.050, +.150]**<br>better, p .030 | – |"
    ) in lines
    assert lines[-1].startswith("† does not count")


def test_learners_stand_by_lane_with_one_size_per_family_and_their_costs():
    sizes = [
        {"learner": learner, "lane": lane, "support_size": size, "n_shot": size, "value": size / 100}
        for learner, lane in (("forest", "classical"), ("maml", "optimisation"), ("anil", "optimisation"))
        for size in (5, 9, 32)
    ]
    natural = [
        {"source": "icu", "n_shot": pd.NA, "support_size": size, "value": size / 100, "ci_low": np.nan,
         "learner": "maml", "lane": "optimisation"}
        for size in (16, 64)
    ]  # fmt: skip
    costs = pd.DataFrame(
        [
            {"problem": problem, "fold": fold, "learner": "maml", "seed": seed,
             "seconds_meta_fit": 10.0 * (seed + 1), "peak_memory_mib": 500.0 + fold}
            for problem in ("a", "b") for fold in (0, 1) for seed in (0, 1)
        ]
    )  # fmt: skip
    table = _module("learners_table").learners_table(_board(*sizes, *natural), costs)
    lines = table.replace("\u00a0", " ").splitlines()
    assert lines[0] == (
        "| Lane | Learner | icu<br>assay<br>16 in all<br>AUROC | tox21<br>assay<br>9/class<br>AUROC "
        "| Meta-training, s | Adaptation, s | Memory, MiB |"
    )
    assert lines[2:] == [
        "| optimisation | MAML | .160 | .090 [.75, .85] | 60.0 | 0.250 | 501 |",
        "|  | ANIL | – | .090 [.75, .85] | – | 0.250 | – |",
        "| classical | Random forest | – | .090 [.75, .85] | – | 0.250 | – |",
    ]


def test_tables_go_between_their_own_marks():
    fill = _module("cells").fill
    text = (
        "<!-- results:a -->\nold\n<!-- /results:a -->\n<!-- results:b -->\n<!-- /results:b -->\n"
        "<!-- answers:b -->\nold\n<!-- /answers:b -->\n"
    )
    found = fill(text, "b", {"results": "new", "answers": r"one \1", "learners": "none"})
    assert found == (
        "<!-- results:a -->\nold\n<!-- /results:a -->\n<!-- results:b -->\nnew\n<!-- /results:b -->\n"
        "<!-- answers:b -->\none \\1\n<!-- /answers:b -->\n"
    )
    with pytest.raises(SystemExit, match="no marks: expected one of <!-- results:c -->"):
        fill(text, "c", {"results": "new"})


def test_the_latest_run_with_a_scoreboard_counts(tmp_path):
    latest_record = _module("stored_run").latest_record
    for name, environment, saved in (
        ("1", None, ["scoreboard"]),
        ("2", None, ["ehr_tasks"]),
        ("3", "public", ["scoreboard"]),
    ):
        record = {"run_id": name, "environment": environment, "saved": dict.fromkeys(saved, "v")}
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    assert latest_record(tmp_path, None)["run_id"] == "1"
    assert latest_record(tmp_path, "public")["run_id"] == "3"
    with pytest.raises(SystemExit, match="no run in environment 'mine'"):
        latest_record(tmp_path, "mine")
