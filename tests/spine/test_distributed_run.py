"""``kedro run`` with several processes for each meta-training: by configuration alone."""

from __future__ import annotations

import pandas as pd
import pytest
from spine_project import SpineProject

SELECTION, HISTORY = "molecules_metric_selection", "molecules_metric_history"
LAUNCHED = "distributed.launcher=elastic,distributed.ranks=2,distributed.max_restarts=0"


def _of_protonet(project: SpineProject, dataset: str) -> pd.DataFrame:
    return project.table(dataset).query("learner == 'protonet'").reset_index(drop=True)


@pytest.mark.slow
def test_two_processes_select_what_one_selects(copy: SpineProject) -> None:
    selection, history = (_of_protonet(copy, name) for name in (SELECTION, HISTORY))
    outcome = copy.run(
        *("--pipelines", "meta_training", "--namespaces", "molecules.metric"),
        *("--params", f"roster=[protonet],{LAUNCHED}"),
    )
    assert outcome.code == 0, outcome.output
    assert [len(copy.versions(name)) for name in (SELECTION, HISTORY)] == [2, 2]
    pd.testing.assert_frame_equal(_of_protonet(copy, SELECTION), selection, check_exact=False, rtol=1e-3)
    pd.testing.assert_frame_equal(_of_protonet(copy, HISTORY), history, check_exact=False, rtol=1e-3)
    assert not copy.table(HISTORY).equals(history)  # sums of two parts round differently
    assert not list((copy.path / "data" / "00_state" / copy.env).rglob("*.safetensors"))


@pytest.mark.slow
def test_an_unknown_launcher_ends_before_the_first_node(copy: SpineProject) -> None:
    outcome = copy.run("--pipelines", "meta_training", "--params", "distributed.launcher=slurm")
    assert outcome.code != 0
    assert "'distributed.launcher': Input should be 'none', 'elastic' or 'ray'" in outcome.output
    assert "Traceback" not in outcome.output
