"""Standard molecules, their keys, fingerprints and descriptors."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors, rdFingerprintGenerator

from med_maml_pipeline.features.descriptors import DESCRIPTORS, describe
from med_maml_pipeline.features.molecules import (
    StandardMolecule,
    feature_kinds,
    feature_names,
    featurise,
    scaffold_key,
    standardise,
    standardise_all,
)
from med_maml_pipeline.tasks.types import FeatureKind

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def known(smiles: str) -> StandardMolecule:
    molecule = standardise(smiles)
    assert molecule is not None
    return molecule


@pytest.mark.parametrize(
    "smiles",
    [
        "OC(=O)c1ccccc1OC(C)=O",  # written from the other end
        "CC(=O)OC1=CC=CC=C1C(O)=O",  # Kekulé form
        "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]",  # sodium salt
        "CC(=O)Oc1ccccc1C(=O)O.O.O",  # hydrate
        "CC(=O)Oc1ccccc1C(=O)[O-].NCCO",  # salt with an organic base
    ],
)
def test_forms_of_one_compound_share_key_and_smiles(smiles: str) -> None:
    assert known(smiles) == known(ASPIRIN)


def test_key_is_the_standard_inchikey() -> None:
    assert known(ASPIRIN).key == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"  # as in PubChem, CID 2244


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),  # enantiomers
        ("CCCO", "CC(C)O"),  # isomers
        ("CC[Hg]Cl", "CCCl"),  # a bound metal is part of the compound
    ],
)
def test_different_compounds_have_different_keys(one: str, other: str) -> None:
    assert known(one).key != known(other).key


def test_permanent_charge_stays() -> None:
    assert known("C[N+](C)(C)CCO.[Cl-]").smiles == "C[N+](C)(C)CCO"


@pytest.mark.parametrize("smiles", ["", "   ", "not a molecule", "c1ccc", "C(C)(C)(C)(C)C", "C1CC"])
def test_what_rdkit_cannot_parse_is_none(smiles: str) -> None:
    assert standardise_all([smiles]) == [None]


def test_metallocene_that_cannot_be_neutralised_keeps_its_metal() -> None:
    assert "Fe" in known("[Fe++].[CH-]1C=CC=C1.[CH-]1C=CC=C1").smiles


def test_dummy_atom_has_a_key_although_inchi_does_not_define_it(capfd: pytest.CaptureFixture[str]) -> None:
    (molecule,) = standardise_all(["*C(=O)CCCC"])
    assert molecule is not None
    assert molecule.key == molecule.smiles
    assert capfd.readouterr() == ("", "")


def test_rdkit_prints_no_value(capfd: pytest.CaptureFixture[str]) -> None:
    """Its log would show the SMILES that it cannot parse."""
    standardise("CANARY")
    assert "CANARY" in capfd.readouterr().err  # so this test sees what rdkit writes
    standardise_all(["CANARY", "C(C)(C)(C)(C)CANARY", "[Nd+3]", ASPIRIN])
    featurise(["[Nd+3]", "*CCC"], bits=64, radius=2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [("CCc1ccccc1", "OCc1ccccc1", True), ("c1ccccc1C", "c1ccncc1C", False), ("CCO", "CCCO", False)],
)
def test_scaffold_joins_molecules_of_one_ring_system(one: str, other: str, together: bool) -> None:
    assert (scaffold_key(known(one)) == scaffold_key(known(other))) is together


def test_features_are_count_fingerprint_then_descriptors() -> None:
    x = featurise([ASPIRIN, "CCO"], bits=256, radius=1)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=1, fpSize=256)
    vector = generator.GetCountFingerprint(Chem.MolFromSmiles(ASPIRIN))
    np.testing.assert_array_equal(x[0, :256], [vector[i] for i in range(256)])
    assert x[0, :256].max() > 1  # counts, not bits
    assert x.dtype == np.float32
    names, kinds = feature_names(256), feature_kinds(256)
    assert len(names) == len(set(names)) == len(kinds) == x.shape[1]
    assert kinds[255] is FeatureKind.COUNT
    assert kinds[256] is FeatureKind.NUMERIC
    values = dict(zip(names, x[0], strict=True))
    molecule = Chem.MolFromSmiles(ASPIRIN)
    for name, reference in {
        "exactmw": Descriptors.ExactMolWt,
        "CrippenClogP": Descriptors.MolLogP,
        "tpsa": Descriptors.TPSA,
        "PEOE_VSA1": Descriptors.PEOE_VSA1,
        "SMR_VSA10": Descriptors.SMR_VSA10,
        "SlogP_VSA2": Descriptors.SlogP_VSA2,
        "BCUT2D_MRLOW": Descriptors.BCUT2D_MRLOW,
        "fr_ester": Descriptors.fr_ester,
        "kappa3": Descriptors.Kappa3,
    }.items():
        assert values[name] == pytest.approx(reference(molecule), rel=1e-5), name


def test_descriptors_are_finite_or_missing_and_bounded() -> None:
    for smiles in [ASPIRIN, "[Nd+3]", "C" * 400, "*CC", "[H][H]", "Cl[Pt]Cl"]:
        values = describe(Chem.MolFromSmiles(smiles))
        assert len(values) == len(DESCRIPTORS)
        assert not np.isinf(values).any()
        assert np.nanmax(np.abs(values)) <= 1e5
    charges = [i for i, name in enumerate(DESCRIPTORS) if name.startswith("BCUT2D")]
    assert np.isnan(describe(Chem.MolFromSmiles("[Nd+3]"))[charges]).all()
