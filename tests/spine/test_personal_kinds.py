"""``kedro run --pipelines personalisation`` on one's own pictures and samples, as the README shows it."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
import pytest
from spine_project import Outcome, SpineProject

SHOTS = 3


@dataclass(frozen=True)
class Own:
    """A user's tables: classes, support and query, as they were written."""

    project: SpineProject
    classes: list[str]
    query: pd.DataFrame


@pytest.fixture(scope="module")
def pictures(finished: SpineProject, tmp_path_factory: pytest.TempPathFactory) -> Own:
    """Slides of the run in a folder of the user's own, under names of the user's own."""
    project = finished.copied(tmp_path_factory.mktemp("pictures") / "project")
    slides = project.versions("synthetic_imaging")[-1] / "slides"
    table = pd.read_csv(slides / "labels.csv").rename(columns={"diagnosis": "label"})
    table["id"] = [f"Zz-{number:04d}" for number in range(len(table))]
    classes = sorted(table["label"].unique())[:3]
    support, query = _split(table, classes)
    folder = project.path / "my_folder"
    folder.mkdir()
    for row in pd.concat([support, query]).itertuples():
        shutil.copy(slides / row.path, folder / f"{row.id}.png")
    for name, own in (("support", support), ("query", query)):
        own.assign(path=own["id"] + ".png")[["id", "path", *["label"][: name == "support"]]].to_csv(
            folder / f"{name}.csv", index=False
        )
    return Own(project, classes, query)


@pytest.fixture(scope="module")
def samples(finished: SpineProject, tmp_path_factory: pytest.TempPathFactory) -> Own:
    """Samples of the run: the support as an .h5ad file, the query as a table with its genes turned round."""
    project = finished.copied(tmp_path_factory.mktemp("samples") / "project")
    raw = anndata.read_h5ad(next(project.versions("synthetic_expression")[-1].glob("*.h5ad")))
    table = raw.obs.reset_index(names="id")[["id", "diagnosis"]].rename(columns={"diagnosis": "label"})
    classes = sorted(table["label"].astype(str).unique())[:3]
    support, query = _split(table.astype(str), classes)
    own = raw[support.index].copy()
    own.obs = pd.DataFrame({"label": support["label"].to_numpy()}, index=support["id"].to_numpy())
    own.write_h5ad(project.path / "my_support.h5ad")
    genes = raw[query.index].to_df()
    genes[genes.columns[::-1]].assign(id=query["id"].to_numpy()).to_csv(
        project.path / "my_query.csv", index=False
    )
    return Own(project, classes, query)


def _personalise(project: SpineProject, namespace: str, support: str, query: str, problem: str) -> Outcome:
    given = f"support={support},query={query},personalisation.problem={problem}"
    return project.run("--pipelines", "personalisation", "--namespaces", namespace, "--params", given)


def _predictions(project: SpineProject, lane: str) -> pd.DataFrame:
    file = project.versions(f"{lane}_personal_predictions")[-1]
    with file.open(encoding="utf-8", newline="") as lines:
        return pd.DataFrame(csv.DictReader(lines))


def _split(table: pd.DataFrame, classes: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``SHOTS`` rows of each class and a few others."""
    table = table[table["label"].isin(classes)]
    support = table.groupby("label").head(SHOTS)
    return support, table.drop(support.index).groupby("label").head(4)


def _check(made: pd.DataFrame, own: Own) -> None:
    classes = own.classes
    assert made["id"].tolist() == own.query["id"].tolist()
    assert list(made.columns) == ["id", "prediction", *(f"probability_{name}" for name in classes)]
    probabilities = made.filter(like="probability_").astype(float).to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert made["prediction"].tolist() == [classes[at] for at in probabilities.argmax(axis=1)]


def test_pictures(pictures: Own) -> None:
    for lane in ("metric", "ensemble"):
        outcome = _predict_pictures(pictures, lane)
        assert outcome.code == 0, outcome.output
        assert "Zz-" not in outcome.output
        _check(_predictions(pictures.project, f"imaging_{lane}"), pictures)
    for record in pictures.project.tracking.glob("*.json"):
        assert "my_folder" not in record.read_text()


def _predict_pictures(own: Own, lane: str) -> Outcome:
    files = ("my_folder/support.csv", "my_folder/query.csv")
    return _personalise(own.project, f"imaging.{lane}", *files, "synthetic_slides_diagnosis")


def test_a_truncated_picture_is_told_by_its_row(pictures: Own) -> None:
    name = f"{pictures.query['id'].iloc[1]}.png"
    picture = pictures.project.path / "my_folder" / name
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) // 2])
    outcome = _predict_pictures(pictures, "metric")
    picture.write_bytes(whole)
    assert outcome.code == 1
    assert "row 2" in outcome.output.rstrip().splitlines()[-1]
    assert "Zz-" not in outcome.output


def _predict_samples(own: Own, query: str) -> Outcome:
    files = ("my_support.h5ad", query)
    return _personalise(own.project, "expression.maml", *files, "synthetic_expression_diagnosis")


def test_samples_in_an_h5ad_file_and_in_a_table(samples: Own) -> None:
    outcome = _predict_samples(samples, "my_query.csv")
    assert outcome.code == 0, outcome.output
    made = _predictions(samples.project, "expression_maml")
    _check(made, samples)
    assert (made["prediction"].to_numpy() == samples.query["label"].to_numpy()).mean() > 1 / 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table.drop(columns=table.columns[1]), "missing columns: "),
        (lambda table: table.assign(unheard_of=1.0), "unexpected columns: 'unheard_of'"),
        (lambda table: table.assign(**{table.columns[1]: -1.0}), "negative"),
    ],
    ids=["missing", "extra", "negative"],
)
def test_samples_that_do_not_fit_the_checkpoint(samples: Own, change, sentence: str) -> None:
    query = pd.read_csv(samples.project.path / "my_query.csv")
    change(query).to_csv(samples.project.path / "odd_query.csv", index=False)
    outcome = _predict_samples(samples, "odd_query.csv")
    assert outcome.code == 1
    last = outcome.output.rstrip().splitlines()[-1]
    assert last.startswith("Error: source 'personalisation', query table: ")
    assert sentence in last
