"""``seeds: 2`` from the parameters to the scoreboard, the report and a user's own cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spine_project import Outcome, SpineProject, made_once

from med_maml_pipeline.learners.registry import LANES
from med_maml_pipeline.metrics.scores import score_predictions

PERSONAL = ("--pipelines", "personalisation", "--namespaces", "molecules.maml")


@pytest.fixture(scope="module")
def seeded(finished: SpineProject, shared_folder: Path) -> SpineProject:
    """The finished project, whose molecules are learned once more, with two seeds. Not to be changed."""

    def make(path: Path) -> tuple[SpineProject, Outcome]:
        project = finished.copied(path)
        pipelines = ("--pipelines", "meta_training,adaptation,ensembles,evaluation,reporting")
        return project, project.run(*pipelines, "--namespaces", "molecules", "--params", "seeds=2")

    project, outcome = made_once(shared_folder, "seeded_run", make)
    assert outcome.code == 0, outcome.output
    assert "standard deviation over meta-training seeds" in outcome.output
    return project


def _predictions(project: SpineProject, version: int) -> pd.DataFrame:
    paths = [project.versions(f"molecules_{lane}_predictions")[version] for lane in (*LANES, "ensemble")]
    return pd.concat(map(pd.read_parquet, paths), ignore_index=True)


@pytest.mark.slow
def test_every_learner_has_predictions_of_both_seeds_on_the_same_episodes(seeded: SpineProject) -> None:
    before, after = _predictions(seeded, 0), _predictions(seeded, 1)
    assert set(before["seed"]) == {0}
    assert set(after["seed"]) == {0, 1}
    for _, rows in after.groupby(["learner", "seed"]):
        assert sorted(rows["episode_id"]) == sorted(before["episode_id"].unique())
    first = after[after["seed"] == 0].reset_index(drop=True)
    for column in ("episode_id", "learner"):
        assert first[column].tolist() == before[column].tolist()
    for found, expected in zip(first["scores"], before["scores"], strict=True):
        np.testing.assert_array_equal(found, expected)  # company changes nothing


@pytest.mark.slow
def test_the_scoreboard_is_the_mean_over_seeds_of_what_each_gives(seeded: SpineProject) -> None:
    long = score_predictions(_predictions(seeded, 1))
    by_task = long.groupby(["learner", "metric", "seed", "task_id"])["value"].mean()
    means = by_task.groupby(["learner", "metric", "seed"]).mean().unstack("seed")
    board = seeded.table("molecules_scoreboard").set_index(["learner", "metric"])
    assert len(board) == len(means)
    rows = board.loc[means.index]
    np.testing.assert_allclose(rows["value"], means.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(rows["seed_sd"], means.std(axis=1), rtol=1e-9, atol=1e-14)
    assert set(rows["n_seeds"]) == {2}
    assert rows.loc["maml", "seed_sd"].max() > 0
    assert rows.loc["knn", "seed_sd"].max() == 0  # it draws nothing


@pytest.mark.slow
def test_each_seed_has_its_checkpoint_settings_curve_and_cost(seeded: SpineProject) -> None:
    folder = seeded.versions("molecules_maml_checkpoints")[-1]
    (problem,) = (path.name for path in folder.iterdir() if path.is_dir())
    files = [folder / problem / "0" / str(seed) / "maml.safetensors" for seed in (0, 1)]
    assert files[0].read_bytes() != files[1].read_bytes()
    earlier = seeded.versions("molecules_maml_checkpoints")[0] / problem / "0" / "0" / "maml.safetensors"
    assert files[0].read_bytes() == earlier.read_bytes()
    for table in ("selection", "history", "costs"):
        assert set(seeded.table(f"molecules_maml_{table}")["seed"]) == {0, 1}


@pytest.mark.slow
def test_personalisation_takes_the_first_seed(seeded: SpineProject, tmp_path: Path) -> None:
    project = seeded.copied(tmp_path / "project")
    raw = pd.read_csv(project.versions("synthetic_molecules")[-1] / "assays.csv").drop_duplicates("smiles")
    assay = raw.columns[raw.columns != "smiles"][-1]
    raw = raw.dropna(subset=[assay]).reset_index(drop=True)
    own = pd.DataFrame(
        {"id": raw.index.astype(str), "smiles": raw["smiles"], "label": raw[assay].astype(int)}
    )
    support = pd.concat([own[own["label"] == label].iloc[:6] for label in (0, 1)])
    support.to_csv(project.path / "s.csv", index=False)
    own.drop(index=support.index).iloc[:8].drop(columns="label").to_csv(project.path / "q.csv", index=False)
    made = []
    for checkpoints in project.versions("molecules_maml_checkpoints"):  # of one seed, then of two
        version = f"--load-versions=molecules_maml_checkpoints:{checkpoints.parent.name}"
        outcome = project.run(*PERSONAL, "--params", "support=s.csv,query=q.csv", version)
        assert outcome.code == 0, outcome.output
        made.append(project.table("molecules_maml_personal_predictions"))
    assert len(made) == 2
    assert len(made[0]) == 8
    pd.testing.assert_frame_equal(*made)
