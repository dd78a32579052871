"""The molecule library is valid but for its declared flaws, and assays obey their rules."""

from __future__ import annotations

import re
from itertools import combinations, product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, Fragments
from sklearn.metrics import roc_auc_score

from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_molecules, write_truth
from med_maml_pipeline.synthetic.fragments import ENDS, LINKERS, SCAFFOLDS, SUBSTITUENTS, assemble
from med_maml_pipeline.synthetic.mechanisms import FEATURES, GENERAL, MECHANISMS, molecule_features

SETTINGS = SyntheticHospitalSettings(n_patients=10, n_molecules=1000)
SEED = 11


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return dict(write_molecules(SETTINGS, SEED))["assays.csv"]


@pytest.fixture(scope="module")
def truth() -> dict[str, pl.DataFrame]:
    return {path: pl.DataFrame(content) for path, content in write_truth(SETTINGS, SEED)}


@pytest.fixture(scope="module")
def hits(table: pd.DataFrame) -> NDArray[np.float64]:
    return table.drop(columns="smiles").to_numpy(dtype=float, na_value=np.nan)


@pytest.fixture(scope="module")
def features(truth: dict[str, pl.DataFrame]) -> pd.DataFrame:
    """Causal features of the distinct molecules."""
    smiles = truth["assay_scores.parquet"]["smiles"].to_list()
    return pd.DataFrame(molecule_features(smiles), columns=list(FEATURES))


def _without_salt(smiles: str) -> str | None:
    """Canonical SMILES of the largest part; None when unparsable."""
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return None
    parts = Chem.GetMolFrags(molecule, asMols=True)
    return Chem.MolToSmiles(max(parts, key=lambda part: part.GetNumHeavyAtoms()))


def test_same_seed_gives_the_same_table_and_another_does_not(table: pd.DataFrame) -> None:
    again = dict(write_molecules(SETTINGS, SEED))["assays.csv"]
    pd.testing.assert_frame_equal(table, again)
    other = dict(write_molecules(SETTINGS, SEED + 1))["assays.csv"]
    assert (table["smiles"] != other["smiles"]).any()


def test_all_molecules_parse_but_the_declared_ones(
    table: pd.DataFrame, truth: dict[str, pl.DataFrame]
) -> None:
    kinds = truth["molecules.parquet"]["kind"].to_numpy()
    parses = np.array([_without_salt(text) is not None for text in table["smiles"]])
    np.testing.assert_array_equal(parses, kinds != "unparsable")
    assert 3 <= (~parses).sum() <= 0.02 * len(table)


def test_nine_in_ten_are_unique_and_duplicates_are_written_otherwise(
    table: pd.DataFrame, truth: dict[str, pl.DataFrame]
) -> None:
    rows = truth["molecules.parquet"]
    canonical = np.array([_without_salt(text) for text in table["smiles"]], dtype=object)
    distinct = truth["assay_scores.parquet"]["smiles"].to_numpy()
    known = rows["molecule"].to_numpy() >= 0
    assert (canonical[known] == distinct[rows["molecule"].to_numpy()[known]]).all()
    assert len(set(canonical[known])) == len(distinct) >= 0.9 * len(table)
    again = rows["kind"].to_numpy() == "duplicate"
    assert again.sum() >= 6
    assert table["smiles"][again].str.contains(".", regex=False).any()  # a salt
    assert (~table["smiles"][again].isin(distinct)).mean() > 0.9  # another way of writing


def test_every_combination_of_parts_is_a_molecule() -> None:
    made = [assemble(scaffold, "C", part, part) for scaffold, part in product(SCAFFOLDS, set(SUBSTITUENTS))]
    made += [
        assemble(scaffold, linker + end, "F", "")
        for scaffold in SCAFFOLDS[:2]
        for linker, end in product(LINKERS, ENDS)
    ]
    invalid = [text for text in made if _without_salt(text) is None]
    assert not invalid
    assert all("." not in text for text in made)


def test_the_panel_has_families_of_near_copies(table: pd.DataFrame) -> None:
    names = list(table.columns[1:])
    assert len(names) == len(set(names)) == SETTINGS.n_assays >= 60
    pattern = re.compile(r"^(.*)_(?:24h|72h)_(?:up|dn)$")
    clusters = {match[1] for name in names if (match := pattern.match(name))}
    assert all(pattern.match(name) for name in names)
    assert 40 <= len(clusters) < len(names)
    assert {cluster.split("_")[0] for cluster in clusters} == {mechanism.name for mechanism in MECHANISMS}


def test_hit_rates_are_long_tailed_and_cells_are_missing(hits: NDArray[np.float64]) -> None:
    rate = np.nanmean(hits, axis=0)
    missing = np.isnan(hits).mean(axis=0)
    assert set(np.unique(hits[~np.isnan(hits)])) == {0.0, 1.0}
    assert rate.min() > 0.01
    assert rate.max() < 0.46
    assert np.median(rate) < rate.max() / 2
    assert missing.min() > 0.18
    assert missing.max() < 0.62


def test_cells_of_one_laboratory_are_missing_together(hits: NDArray[np.float64], table: pd.DataFrame) -> None:
    overlap = np.corrcoef(np.isnan(hits).T)
    cell = np.array([name.split("_")[1] for name in table.columns[1:]])
    same, upper = cell[:, None] == cell[None, :], np.triu(np.ones_like(overlap, dtype=bool), 1)
    assert overlap[same & upper].mean() > 0.2
    assert abs(overlap[~same & upper].mean()) < 0.05


def test_features_agree_with_rdkits_own_counts(
    features: pd.DataFrame, truth: dict[str, pl.DataFrame]
) -> None:
    molecules = [Chem.MolFromSmiles(text) for text in truth["assay_scores.parquet"]["smiles"][:300]]
    references = {
        "phenol": Fragments.fr_Ar_OH,
        "nitro": Fragments.fr_nitro,
        "sulfonamide": Fragments.fr_sulfonamd,
        "epoxide": Fragments.fr_epoxide,
        "nitrile": Fragments.fr_nitrile,
        "azo": Fragments.fr_azo,
    }
    for name, count in references.items():
        expected = [count(molecule) > 0 for molecule in molecules]
        assert any(expected), name
        np.testing.assert_array_equal(features[name][:300] > 0, expected, err_msg=name)
    logp = [Descriptors.MolLogP(molecule) for molecule in molecules]
    assert np.corrcoef(features["logp"][:300], logp)[0, 1] == pytest.approx(1.0)


def test_scores_and_hits_follow_the_rules_of_the_truth(
    hits: NDArray[np.float64], table: pd.DataFrame, features: pd.DataFrame, truth: dict[str, pl.DataFrame]
) -> None:
    stored = truth["assay_scores.parquet"]
    rows = truth["molecules.parquet"]["molecule"].to_numpy()
    rules = truth["assay_rules.parquet"]
    limits = {row["assay"]: row for row in truth["assays.parquet"].iter_rows(named=True)}
    for column, assay in enumerate(table.columns[1:]):
        rule = rules.filter(pl.col("assay") == assay)
        score = features[rule["feature"].to_list()].to_numpy() @ rule["weight"].to_numpy()
        np.testing.assert_allclose(score, stored[assay].to_numpy(), atol=1e-9)
        use = (rows >= 0) & ~np.isnan(hits[:, column])
        hit, clear = hits[use, column] > 0, score[rows[use]]
        assert roc_auc_score(hit, clear) > 0.78, assay
        limit = limits[assay]
        assert not hit[clear < limit["threshold"] - 5 * limit["noise"]].any()


def test_assays_of_one_mechanism_are_related_and_variants_nearly_the_same(
    table: pd.DataFrame, truth: dict[str, pl.DataFrame]
) -> None:
    scores = truth["assay_scores.parquet"].drop("smiles")
    correlation = np.corrcoef(scores.to_numpy().T)
    parts = [name.split("_") for name in table.columns[1:]]
    groups: dict[str, list[float]] = {"variants": [], "mechanism": [], "other": []}
    for (i, a), (j, b) in combinations(enumerate(parts), 2):
        kind = "variants" if a[:2] == b[:2] else "mechanism" if a[0] == b[0] else "other"
        groups[kind].append(correlation[i, j])
    mean = {kind: np.mean(values) for kind, values in groups.items()}
    assert mean["variants"] > 0.95
    assert mean["variants"] > mean["mechanism"] + 0.1 > mean["other"] + 0.4
    assert mean["other"] > 0.05  # general toxicity
    assert set(GENERAL) <= set(FEATURES)


def test_causal_substructures_are_enriched_among_hits(
    hits: NDArray[np.float64], table: pd.DataFrame, features: pd.DataFrame, truth: dict[str, pl.DataFrame]
) -> None:
    rows = truth["molecules.parquet"]["molecule"].to_numpy()
    acid = features["carboxylic_acid"].to_numpy()
    for column, assay in enumerate(table.columns[1:]):
        if assay.startswith("NRPPAR"):
            use = (rows >= 0) & ~np.isnan(hits[:, column])
            hit = hits[use, column] > 0
            assert acid[rows[use]][hit].mean() > 1.5 * acid[rows[use]][~hit].mean(), assay
