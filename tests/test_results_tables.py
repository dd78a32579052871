"""The script that fills the results tables of the README."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.metrics.best import BEST_COLUMNS

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "results_tables.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results_tables", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _row(**cells: object) -> pd.DataFrame:
    blank = dict.fromkeys(BEST_COLUMNS, np.nan)
    cell = {
        "source": "tox21",
        "task_family": "assay",
        "protocol": "disjoint",
        "support_size": 10,
        "metric": "auroc",
    }
    return pd.DataFrame([{**blank, **cell, "n_shot": 10, **cells}])


def test_a_difference_that_leaves_out_zero_is_bold(script):
    row = _row(
        ours="maml", value=0.75, ci_low=0.7, ci_high=0.8,
        classical="forest", classical_value=0.69, classical_ci_low=0.6, classical_ci_high=0.78,
        diff_to_classical=0.06, diff_low=0.01, diff_high=0.11,
        prior="prior", prior_value=0.72, diff_to_prior=0.03, diff_to_prior_low=-0.01, diff_to_prior_high=0.07,
    )  # fmt: skip
    assert script.markdown(row).splitlines()[-1].replace("\u00a0", " ") == (
        "| tox21 | assay | 10 per class | AUROC "
        "| MAML<br>.750 [.700, .800] | Random forest<br>.690 [.600, .780] "
        "| .720 | **+.060 [+.010, +.110]** | +.030 [−.010, +.070] |"
    )


def test_what_was_not_chosen_is_blank(script):
    line = script.markdown(_row(protocol="published", n_shot=np.nan)).splitlines()[-1]
    assert line == "| tox21 | assay (published protocol) | 10 in all | AUROC | – | – | – | – | – |"


def test_a_table_goes_between_its_own_marks(script):
    text = "<!-- results:a -->\nold\n<!-- /results:a -->\n<!-- results:b -->\n<!-- /results:b -->\n"
    assert script.fill(text, "b", "new") == text.replace("results:b -->\n", "results:b -->\nnew\n", 1)
    with pytest.raises(SystemExit, match="no marks"):
        script.fill(text, "c", "new")


def test_the_latest_run_with_a_scoreboard_counts(script, tmp_path):
    for name, environment, saved in (
        ("1", None, ["scoreboard"]),
        ("2", None, ["ehr_tasks"]),
        ("3", "public", ["scoreboard"]),
    ):
        record = {"run_id": name, "environment": environment, "saved": dict.fromkeys(saved, "v")}
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    assert script.latest_record(tmp_path, None)["run_id"] == "1"
    assert script.latest_record(tmp_path, "public")["run_id"] == "3"
    with pytest.raises(SystemExit, match="no run in environment 'mine'"):
        script.latest_record(tmp_path, "mine")
