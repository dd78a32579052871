"""The ablation of the stacked answer, on fabricated predictions whose useful member is known."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.learners.ensembles.combination import combine
from med_maml_pipeline.tasks.types import (
    Episode,
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    TargetType,
    Task,
)

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
LANES = {"maml": "optimisation", "svm": "classical", "forest": "classical", "prior": "control"}
SKILL = {"maml": 0.2, "svm": 0.0, "forest": 0.1, "prior": 2.0}
N, SUPPORT = 60, 10


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Three validation tasks, too few to search by, and six test tasks; an episode each."""
    rng = np.random.default_rng(0)
    tasks, episodes = [], []
    for number in range(9):
        split = MetaSplit.VALIDATION if number < 3 else MetaSplit.TEST
        y = rng.permutation(np.arange(N) % 2).astype(np.float32)
        rows = np.arange(N)
        tasks.append(
            Task(f"t{number}", "s/main", "assay", "s", TargetType.BINARY, 2, split, rows, y, rows, True)
        )
        episodes.append(Episode(f"e{number}", f"t{number}", rows[:SUPPORT], rows[SUPPORT:], 5, 5, 0))
    table = FeatureTable(np.zeros((N, 1), np.float32), ("a",), (FeatureKind.NUMERIC,))
    return Problem("p", 0, {"s/main": table}, tuple(tasks), tuple(episodes), shared_inputs=True)


@pytest.fixture(scope="module")
def cell(problem: Problem) -> dict[str, object]:
    """What is found with all members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return _cell(problem, LANES)


def _predictions(problem: Problem, split: MetaSplit, members: dict[str, str]) -> pd.DataFrame:
    rng = np.random.default_rng(int(split == MetaSplit.TEST))
    rows = []
    for episode in problem.episodes_of(split):
        y = problem.task(episode.task_id).y[episode.query]
        for name, lane in members.items():
            odds = SKILL[name] * (2 * y - 1) + rng.normal(size=len(y))
            rows.append(
                {"episode_id": episode.episode_id, "problem": "p", "fold": 0, "task_id": episode.task_id,
                 "learner": name, "lane": lane, "seed": 0, "y": y, "seconds_adapt": 0.1,
                 "scores": np.stack([-odds, odds], axis=1).reshape(-1)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _tables(problem: Problem) -> tuple[pd.DataFrame, pd.DataFrame]:
    tasks = [
        {"problem": "p", "fold": 0, "task_id": task.task_id, "source": "s", "family": "assay",
         "protocol": "disjoint", "target_type": "binary", "n_classes": 2, "ways": pd.NA,
         "meta_split": str(task.meta_split)}
        for task in problem.tasks
    ]  # fmt: skip
    episodes = [
        {"episode_id": one.episode_id, "problem": "p", "fold": 0, "task_id": one.task_id,
         "meta_split": str(problem.task(one.task_id).meta_split), "support_size": 5, "n_shot": 5}
        for one in problem.episodes
    ]  # fmt: skip
    return pd.DataFrame(tasks), pd.DataFrame(episodes)


def _cell(problem: Problem, members: dict[str, str]) -> dict[str, object]:
    ablation = _module("from_runs.ablation")
    both = [_predictions(problem, split, members) for split in (MetaSplit.VALIDATION, MetaSplit.TEST)]
    (cell,) = ablation.compared(ablation.refitted(problem, *both), *_tables(problem), seed=0, n_bootstrap=200)
    return cell


def test_only_the_useful_member_is_missed(cell):
    assert (cell["metric"], cell["support_size"], cell["n_tasks"]) == ("auroc", 5, 6)
    gone = cell["differences"]
    assert cell["value"] > 0.95
    assert gone["without the prior"][2] < -0.1  # the upper end: what is left is hardly better than chance
    for variant in ("without adaptation", "without kernels", "without trees", "selected"):
        assert abs(gone[variant][0]) < 0.02


def test_the_full_stack_is_the_one_that_the_pipeline_makes(problem):
    both = [_predictions(problem, split, LANES) for split in (MetaSplit.VALIDATION, MetaSplit.TEST)]
    costs = pd.DataFrame(
        columns=["problem", "fold", "learner", "seconds_meta_fit", "peak_memory_mib", "seed"]
    )
    stored = combine([problem], *both, costs).predictions
    found = _module("from_runs.ablation").refitted(problem, *both)
    for ours, theirs in (("full", "stacked"), ("selected", "selected")):
        np.testing.assert_array_equal(
            np.stack(found.loc[found["learner"] == ours, "scores"]),
            np.stack(stored.loc[stored["learner"] == theirs, "scores"]),
        )


def test_a_variant_that_leaves_nobody_or_all_out_is_not_made(problem):
    gone = _cell(problem, {name: lane for name, lane in LANES.items() if lane == "optimisation"})[
        "differences"
    ]
    assert [name for name, found in gone.items() if found is not None] == ["selected"]


def test_the_table_and_the_file_say_what_was_found(cell):
    script = _module("stacked_ablation")
    nan = float("nan")
    row = {**cell, "value": 0.8, "low": 0.7, "high": 0.9}
    row["differences"] = {
        "without the prior": (-0.1, -0.15, -0.05, 0.01), "without adaptation": (0.0, -0.1, 0.1, 0.9),
        "without kernels": None, "without trees": (nan, nan, nan, nan), "selected": (0.1, 0.05, 0.15, 0.01),
    }  # fmt: skip
    assert script.table([row]).splitlines()[-1].replace("\u00a0", " ") == (
        "| s<br>assay | 5 per class | AUROC | .800 [.700, .900] | **−.100 [−.150, −.050]** "
        "| .000 [−.100, +.100] | – | – | **+.100 [+.050, +.150]** |"
    )
    stored = json.loads(json.dumps(script.finite({"cells": [row]}), allow_nan=False))
    assert stored["cells"][0]["differences"]["without trees"] == [None] * 4
