"""A source of a user's own whose tasks have several labels, from files and YAML to scoreboard and report."""

from __future__ import annotations

import json
import shutil

import numpy as np
import own_sources
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from spine_project import SpineProject


@pytest.fixture
def project(fresh: SpineProject) -> SpineProject:
    """Assays of a user's own in panels of two, for a few learners of several lanes."""
    conf = fresh.path / "conf" / "mine"
    shutil.copytree(fresh.path / "conf" / "test", conf)
    (conf / "globals.yml").write_text("workspace: mine\n")
    (conf / "parameters_few.yml").write_text("roster: [maml, protonet, logistic, prior]\n")
    raw = fresh.path / "data" / "01_raw" / "mine"
    raw.mkdir(parents=True)
    own_sources._write_assays(raw / "assays.csv")
    names = [name for name in pd.read_csv(raw / "assays.csv", nrows=1) if name.endswith("_24h_up")]
    _configure(fresh, [{"name": f"panel_{i}", "labels": names[2 * i : 2 * i + 2]} for i in range(6)])
    return SpineProject(fresh.path, env="mine")


def _configure(project: SpineProject, panels: list[dict[str, object]]) -> None:
    family = {
        "family": "panel",
        "kind": "labels",
        "panels": panels,
        "group_split": [0.5, 0.2, 0.3],
        "support": {"rule": "balanced", "sizes": [2], "min_per_class": 1, "draws": 2, "max_query": 40},
    }
    source = {"format": "smiles", "path": "mine/assays.csv", "drop": ["name"], "tasks": [family]}
    entry = {"active_sources": ["my_assays"], "sources": {"my_assays": source}}
    catalog = project.path / "conf" / "mine" / "catalog_01_raw.yml"
    catalog.write_text(yaml.safe_dump({"molecules_sources": entry}))


@pytest.mark.slow
def test_panels_of_assays_from_files_to_the_report(project: SpineProject) -> None:
    outcome = project.run("--namespaces", "molecules")
    assert outcome.code == 0, outcome.output
    tasks = project.table("molecules_tasks").set_index("task_id")
    assert set(tasks["target_type"]) == {"multilabel"}
    assert set(tasks["n_classes"]) == {2}
    assert set(tasks["meta_split"]) == {"train", "validation", "test"}
    board = project.table("molecules_scoreboard")
    assert board["n_way"].isna().all()
    assert {"maml", "protonet", "logistic", "stacked", "selected"} <= set(board["learner"])
    predictions = project.table("molecules_classical_predictions").query("learner == 'logistic'")
    by_task: dict[str, list[float]] = {}
    for row in predictions.itertuples():
        by_task.setdefault(row.task_id, []).append(_macro_auroc(row.y, row.scores))
    told = board.query("learner == 'logistic' and metric == 'auroc'")["value"].item()
    assert told == pytest.approx(np.mean([np.nanmean(values) for values in by_task.values()]), abs=1e-6)
    audit = project.table("molecules_leakage_audit")
    assert audit["check"].str.endswith(": labels").sum() == 3
    assert project.versions("molecules_report")[0].stat().st_size > 100_000
    names = {name for classes in tasks["classes"] for name in json.loads(classes)}
    assert len(names) == 12

    _configure(project, [{"name": "panel", "labels": ["NRER_HEPG2_24h_up", "NO_SUCH_ASSAY"]}])
    outcome = project.run("--namespaces", "molecules", "--pipelines", "task_construction")
    assert outcome.code == 1
    assert "panel 'panel': table 'main' has no target 'NO_SUCH_ASSAY'" in outcome.output
    assert "Traceback" not in outcome.output


def _macro_auroc(y: np.ndarray, scores: np.ndarray) -> float:
    """From stored lists; a label of one class among the queries does not count."""
    truth, odds = np.reshape(y, (-1, 2)), np.reshape(scores, (-1, 2))
    found = []
    for label in range(2):
        seen = ~np.isnan(truth[:, label])
        if len(set(truth[seen, label])) == 2:
            found.append(roc_auc_score(truth[seen, label], odds[seen, label]))
    return float(np.mean(found))
