"""The Tanimoto kernel against rdkit, and kernel ridge against its closed form."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.tanimoto import TanimotoKernelRidge, tanimoto
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, Problem, Support, TargetType

SMILES = ["CCO", "CCCCCCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "CCN(CC)CC"]


def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.6, size=(12, 40)).astype(np.float32)


def test_kernel_is_rdkits_tanimoto_of_count_fingerprints() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    molecules = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
    arrays = np.array([generator.GetCountFingerprintAsNumPy(m) for m in molecules], dtype=np.float32)
    vectors = [generator.GetCountFingerprint(m) for m in molecules]
    expected = [[DataStructs.TanimotoSimilarity(a, b) for b in vectors] for a in vectors]
    np.testing.assert_allclose(tanimoto(arrays, arrays), expected, rtol=1e-12)


def test_kernel_is_min_over_max_and_positive_semidefinite() -> None:
    a, b = counts()[:7].astype(float), counts()[7:].astype(float)
    ratio = [[np.minimum(p, q).sum() / np.maximum(p, q).sum() for q in b] for p in a]
    np.testing.assert_allclose(tanimoto(a, b), ratio, rtol=1e-12)
    assert np.linalg.eigvalsh(tanimoto(counts(), counts())).min() > -1e-12


def test_rows_without_counts_are_alike_and_unlike_all_others() -> None:
    a = np.zeros((2, 5), dtype=np.float32)
    a[1, 0] = 3
    np.testing.assert_array_equal(tanimoto(a, a), np.eye(2))
    assert tanimoto(a[:1], np.zeros((1, 5), dtype=np.float32)) == 1.0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_margins_solve_the_ridge_system_on_count_columns_alone(n_classes: int) -> None:
    fingerprints = counts()
    x = np.hstack([np.full((12, 1), 1e6, np.float32), fingerprints])
    kinds = (FeatureKind.NUMERIC, *(FeatureKind.COUNT,) * 40)
    y = (np.arange(10) % n_classes).astype(np.float32)
    target = TargetType.BINARY if n_classes == 2 else TargetType.MULTICLASS
    support = Support(x[:10], y, kinds, target, n_classes)
    logits = TanimotoKernelRidge().adapt(Checkpoint("k"), support, {"ridge": 0.7}, 0)(x[10:])

    kernel = tanimoto(fingerprints[:10], fingerprints[:10])
    for c in range(n_classes):
        z = np.where(y == c, 1.0, -1.0)
        alpha = np.linalg.inv(kernel + 0.7 * np.eye(10)) @ (z - z.mean())
        expected = tanimoto(fingerprints[10:], fingerprints[:10]) @ alpha + z.mean()
        np.testing.assert_allclose(logits[:, c], expected, rtol=1e-5, atol=1e-6)
    if n_classes == 2:
        np.testing.assert_allclose(logits[:, 0], -logits[:, 1], atol=1e-6)


def test_small_ridge_interpolates_values() -> None:
    x = counts()
    y = np.linspace(10, 20, len(x)).astype(np.float32)
    support = Support(x, y, (FeatureKind.COUNT,) * 40, TargetType.REGRESSION, 0)
    values = TanimotoKernelRidge().adapt(Checkpoint("k"), support, {"ridge": 1e-9}, 0)(x)
    np.testing.assert_allclose(values, y, rtol=1e-5)


@pytest.mark.parametrize(("kind", "defined"), [(FeatureKind.COUNT, True), (FeatureKind.NUMERIC, False)])
def test_defined_only_where_there_are_counts(kind: FeatureKind, defined: bool) -> None:
    table = FeatureTable(counts(), tuple(map(str, range(40))), (kind,) * 40)
    problem = Problem("p", 0, {"s/main": table}, (), (), True)
    assert TanimotoKernelRidge().supports(problem) is defined
