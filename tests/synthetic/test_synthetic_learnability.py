"""The planted signal can be learned: from causal features, moderately from few examples, better together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from synthetic_hospital import Hospital

from med_maml_pipeline.features.encoder import Encoder
from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.spec import MedsSource, TaskFamilySpec

Floats = NDArray[np.floating]

_TRAIN, _TEST = slice(0, 3000), slice(3000, None)


@dataclass(frozen=True)
class Cohort:
    """Encoded inputs and recorded conditions, as ingestion sees them; rows are patients."""

    x: Floats
    y: Floats


@pytest.fixture(scope="module")
def cohort(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    root: Path = tmp_path_factory.mktemp("meds")
    (root / "data").mkdir()
    for path, table in hospital.shards.items():
        pq.write_table(table, root / path)
    spec = MedsSource(format="meds", path=".", tasks=(TaskFamilySpec(family="condition", kind="target"),))
    reading = open_source("synthetic", spec, root)
    parts = list(reading.parts)
    x, y = np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
    return Cohort(Encoder.fit(x[:3000], reading.schemas[0].kinds).transform(x), y)


def _auroc(cohort: Cohort, x: Floats, target: Floats, rows: NDArray[np.int64], strength: float) -> float:
    model = LogisticRegression(C=strength, max_iter=500).fit(x[rows], target[rows])
    return float(roc_auc_score(target[_TEST], model.decision_function(x[_TEST])))


def _ten_per_class(target: Floats, draw: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(draw)
    train = target[:3000]
    return np.concatenate([rng.choice(np.flatnonzero(train == label), 10, replace=False) for label in (0, 1)])


def _mean_over_tasks(cohort: Cohort, tasks: range, score: Callable[[Floats], float]) -> float:
    return float(np.mean([score(cohort.y[:, task]) for task in tasks]))


def test_all_examples_teach_much_and_ten_per_class_less(cohort: Cohort) -> None:
    everything = np.arange(3000)
    tasks = range(0, cohort.y.shape[1], 4)
    full = _mean_over_tasks(cohort, tasks, lambda y: _auroc(cohort, cohort.x, y, everything, 0.01))
    few = _mean_over_tasks(
        cohort,
        tasks,
        lambda y: float(np.mean([_auroc(cohort, cohort.x, y, _ten_per_class(y, i), 0.01) for i in range(4)])),
    )
    assert 0.80 < full < 0.92
    assert 0.62 < few < 0.78


def test_related_conditions_help_with_few_examples(cohort: Cohort) -> None:
    """Scores for other conditions, fitted on training patients, are better inputs than raw ones."""
    tasks = np.arange(cohort.y.shape[1])
    held_out = tasks[::4]
    sources = np.setdiff1d(tasks, held_out)
    train = cohort.y[_TRAIN][:, sources]
    ridge = Ridge(alpha=300).fit(cohort.x[_TRAIN], (train - train.mean(0)) / train.std(0))
    scores = ridge.predict(cohort.x)
    scores = (scores - scores[_TRAIN].mean(0)) / scores[_TRAIN].std(0)
    gains = [
        _auroc(cohort, scores, y, rows, 0.03) - _auroc(cohort, cohort.x, y, rows, 0.01)
        for y in cohort.y[:, held_out].T
        for rows in (_ten_per_class(y, draw) for draw in range(4))
    ]
    assert np.mean(gains) > 0.03


def test_causal_analytes_tell_more_than_others(hospital: Hospital) -> None:
    """Over all diseases, patient means of analytes that the truth names separate better than the rest."""
    means = (
        hospital.events.filter(
            pl.col("code").str.contains("^(LAB|VITAL)//") & pl.col("numeric_value").is_not_null()
        )
        .group_by("subject_id", "code")
        .agg(pl.col("numeric_value").mean())
        .join(hospital.patients, on="subject_id")
    )
    effects = hospital.truth["effects.parquet"].filter(
        pl.col("kind") == "level", pl.col("effect").abs() > 0.15
    )
    causes = {cause: set(group["code"]) for (cause,), group in effects.group_by("cause")}
    causal: list[float] = []
    other: list[float] = []
    for code, group in ((code, group) for (code,), group in means.group_by("code") if len(group) > 1500):
        value = np.log(group["numeric_value"].to_numpy() + 1.0)
        ill = group.select(pl.col(known) > 0 for known in hospital.diseases["code"]).to_numpy()
        for column, (disease, family) in enumerate(hospital.diseases.select("code", "family").iter_rows()):
            gap = value[ill[:, column]].mean() - value[~ill[:, column]].mean()
            named = code in causes[f"organ//{family}"] | causes.get(disease, set())
            (causal if named else other).append(abs(gap) / value.std())
    assert np.mean(causal) > 2 * np.mean(other)
    assert np.mean(causal) > 0.3


def test_causal_drugs_are_given_more_often_to_the_ill(hospital: Hospital) -> None:
    treatment = hospital.truth["effects.parquet"].filter(
        pl.col("kind") == "treatment", pl.col("effect") > 0.1
    )
    served = treatment.group_by("code").len()
    assert served["len"].max() >= 3  # some drugs are given for several diseases
    for disease, drug in treatment.select("cause", "code").iter_rows():
        given = hospital.events.filter(pl.col("code") == drug)["subject_id"].unique()
        has = hospital.patients["subject_id"].is_in(given.implode())
        ill = hospital.patients[disease] > 0
        assert has.filter(ill).mean() > has.filter(~ill).mean()  # type: ignore[operator]
