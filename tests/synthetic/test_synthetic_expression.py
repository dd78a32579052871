"""Expression of the same patients: counts, pathways, batches, classes and answers to drugs."""

from __future__ import annotations

import io
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest
from few_shot import Collection, few_shot
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_expression, write_truth

SETTINGS = SyntheticHospitalSettings(n_molecules=100)
SEED = 5


def _read(content: bytes, folder: Path) -> anndata.AnnData:
    (folder / "expression.h5ad").write_bytes(content)
    return anndata.read_h5ad(folder / "expression.h5ad")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> anndata.AnnData:
    ((path, content),) = write_expression(SETTINGS, SEED)
    assert path == "expression.h5ad"
    return _read(content, tmp_path_factory.mktemp("expression"))


@pytest.fixture(scope="module")
def truth() -> dict[str, pl.DataFrame]:
    return {path: pl.DataFrame(table) for path, table in write_truth(SETTINGS, SEED)}


@pytest.fixture(scope="module")
def levels(data: anndata.AnnData) -> NDArray[np.floating]:
    """Log2 counts per million."""
    return np.log2(data.X / data.X.sum(axis=1, keepdims=True) * 1e6 + 1.0)


@pytest.fixture(scope="module")
def samples(
    data: anndata.AnnData, levels: NDArray[np.floating], truth: dict[str, pl.DataFrame]
) -> Collection:
    return Collection(
        x=levels,
        kind=data.obs["diagnosis"].astype(str).to_numpy(object),
        patient=data.obs["patient"].astype(int).to_numpy(),
        site=data.obs["site"].astype(str).to_numpy(object),
        severity=truth["samples.parquet"]["severity"].to_numpy(),
    )


def test_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    settings = SyntheticHospitalSettings(n_patients=300, n_genes=200, n_expression_samples=100)
    first, second, other = (dict(write_expression(settings, seed))["expression.h5ad"] for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_values_are_counts_and_roles_are_in_obs(data: anndata.AnnData) -> None:
    assert data.shape == (SETTINGS.n_expression_samples, SETTINGS.n_genes)
    assert data.X.min() >= 0
    assert (np.asarray(data.X) % 1 == 0).all()
    assert 0.03 < (data.X == 0).mean() < 0.3  # low counts drop out
    assert list(data.var_names[:2]) == ["GENE0001", "GENE0002"]
    assert data.var_names.is_unique
    assert data.obs_names.is_unique
    answers = [name for name in data.obs if name.startswith("responds_")]
    assert len(answers) == 12
    assert set(data.obs.columns) == {"patient", "site", "tissue", "diagnosis", *answers}
    for name in answers:
        values = data.obs[name]
        assert set(values.dropna()) == {0.0, 1.0}
        assert 0.3 < values.isna().mean() < 0.5
        assert 0.1 < values.mean() < 0.9


def test_counts_are_more_spread_than_poisson_as_the_truth_says(truth: dict[str, pl.DataFrame]) -> None:
    """Same mean for all: then the variance over means squared is the dispersion, beside the library size."""
    from med_maml_pipeline.synthetic.expression import draw_counts, draw_samples

    samples = draw_samples(SETTINGS, SEED)
    counts = draw_counts(samples, SEED)
    genome = samples.genome
    family = np.array(
        [samples.specimens.classes[samples.specimens.cases[c].kind].family for c in samples.specimens.case]
    )
    site = np.array([samples.specimens.cases[c].site for c in samples.specimens.case])
    share = np.exp(
        genome.base + genome.tissue[family] + genome.batch[site] + samples.activity @ genome.loadings
    )
    share /= share.mean(axis=1, keepdims=True)
    mean = share * (counts.sum(axis=1, keepdims=True) / share.sum(axis=1, keepdims=True))
    excess = ((counts - mean) ** 2 - mean).sum(axis=0) / (mean**2).sum(axis=0)
    assert np.corrcoef(np.log(np.maximum(excess, 1e-3)), np.log(genome.dispersion))[0, 1] > 0.7
    assert np.median(excess / truth["genes.parquet"]["dispersion"].to_numpy()) == pytest.approx(1.0, abs=0.15)


def test_libraries_vary_and_sites_have_batches(
    data: anndata.AnnData, levels: NDArray[np.floating], truth: dict[str, pl.DataFrame]
) -> None:
    sizes = np.asarray(data.X).sum(axis=1)
    assert np.log(sizes).std() == pytest.approx(0.4, abs=0.05)
    site = data.obs["site"].to_numpy()
    genes = truth["genes.parquet"]
    frequent = np.asarray(data.X).mean(axis=0) > 5
    seen = levels[site == "A"].mean(0) - levels[site == "B"].mean(0)
    planted = (genes["site//A"] - genes["site//B"]).to_numpy()
    assert np.corrcoef(seen[frequent], planted[frequent])[0, 1] > 0.8


def test_samples_are_of_the_records_patients_and_most_have_pictures(truth: dict[str, pl.DataFrame]) -> None:
    samples = truth["samples.parquet"]
    patients = pl.concat([table for path, table in truth.items() if path.startswith("patients/")])
    record = samples.join(patients, on="subject_id", suffix="_record")
    assert len(record) > 0.9 * len(samples)
    assert (record["site"] == record["site_record"]).all()
    for row in record.filter(pl.col("severity") > 0).iter_rows(named=True):
        assert row["severity"] == pytest.approx(row[f"DIAGNOSIS//{row['diagnosis']}"], abs=1e-6)
    pictured = pl.concat([truth[name]["subject_id"] for name in ("slides.parquet", "scans.parquet")])
    assert samples["subject_id"].is_in(pictured.implode()).mean() > 0.75  # type: ignore[operator]
    assert (samples.group_by("subject_id").agg(pl.col("diagnosis").n_unique())["diagnosis"] == 1).all()


def test_a_small_hospital_still_has_nine_classes_of_eight(truth: dict[str, pl.DataFrame]) -> None:
    settings = SyntheticHospitalSettings(
        n_patients=300, patients_per_shard=200, n_molecules=100, n_expression_samples=480
    )
    samples = pl.DataFrame(dict(write_truth(settings, 0))["samples.parquet"])
    per_class = samples.group_by("diagnosis").agg(pl.col("subject_id").n_unique())["subject_id"]
    assert (per_class >= 8).sum() >= 9


def test_pathways_overlap_and_diseases_turn_them_on(
    samples: Collection, truth: dict[str, pl.DataFrame]
) -> None:
    members = truth["pathways.parquet"].group_by("gene").len()["len"]
    assert (members > 1).mean() > 0.2  # type: ignore[operator]
    effects = truth["pathway_effects.parquet"].filter(pl.col("effect").abs() > 0.5)
    genes = truth["genes.parquet"]["gene"].to_list()
    agreement = []
    for code, group in effects.group_by("code"):
        ill = samples.kind == code[0].removeprefix("DIAGNOSIS//")
        organ = truth["samples.parquet"].filter(pl.Series(ill))["organ"][0]
        healthy = samples.kind == f"NORMAL_{organ}"
        change = samples.x[ill].mean(0) - samples.x[healthy].mean(0)
        for row in group.iter_rows(named=True):
            loadings = truth["pathways.parquet"].filter(pl.col("pathway") == row["pathway"])
            columns = [genes.index(gene) for gene in loadings["gene"]]
            agreement.append(np.sign(row["effect"]) * np.corrcoef(change[columns], loadings["loading"])[0, 1])
    assert np.mean(agreement) > 0.4


def test_five_examples_teach_something_but_not_all(samples: Collection) -> None:
    right, severity = few_shot(samples, episodes=60).T
    assert 0.45 < right.mean() < 0.8  # chance is .2
    assert right[severity > 1.6].mean() > right[(severity > 0) & (severity < 1.0)].mean() + 0.05


def test_answers_to_drugs_can_be_learned(data: anndata.AnnData, samples: Collection) -> None:
    train = samples.patient % 2 == 0
    x = (samples.x - samples.x[train].mean(0)) / samples.x[train].std(0)
    scores = []
    for name in (column for column in data.obs if column.startswith("responds_")):
        y = data.obs[name].to_numpy(float)
        fit, test = train & ~np.isnan(y), ~train & ~np.isnan(y)
        model = LogisticRegression(C=0.001, max_iter=300).fit(x[fit], y[fit])
        scores.append(roc_auc_score(y[test], model.decision_function(x[test])))
    assert 0.62 < np.mean(scores) < 0.85


def test_answers_follow_the_log_odds_of_the_truth(
    data: anndata.AnnData, truth: dict[str, pl.DataFrame]
) -> None:
    for name in (column for column in data.obs if column.startswith("responds_")):
        frame = pd.DataFrame(
            {"odds": truth["samples.parquet"][f"odds//{name}"], "answer": data.obs[name].to_numpy()}
        ).dropna()
        expected = 1.0 / (1.0 + np.exp(-frame["odds"]))
        assert frame["answer"].mean() == pytest.approx(expected.mean(), abs=0.07)
        assert roc_auc_score(frame["answer"], frame["odds"]) > 0.75


def test_the_file_holds_no_time_and_opens_from_memory() -> None:
    import h5py

    settings = SyntheticHospitalSettings(n_patients=300, n_genes=200, n_expression_samples=100)
    content = dict(write_expression(settings, 0))["expression.h5ad"]
    with h5py.File(io.BytesIO(content)) as file:
        assert file["X"].shape == (100, 200)
