"""Molecules as arrays: one standard form per compound, its key, count fingerprint and descriptors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

from med_maml_pipeline.features.descriptors import DESCRIPTORS, describe
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray

__all__ = [
    "StandardMolecule",
    "feature_kinds",
    "feature_names",
    "featurise",
    "scaffold_key",
    "standardise",
    "standardise_all",
]

with rdBase.BlockLogs():  # rdkit tells that it reads its rules
    _normalise = rdMolStandardize.Normalizer()
_largest = rdMolStandardize.LargestFragmentChooser()
_neutralise = rdMolStandardize.Uncharger()


@dataclass(frozen=True, slots=True)
class StandardMolecule:
    """A compound in its standard form.

    Attributes:
        smiles: Canonical SMILES of the parent: salts and solvents stripped, neutral where it can be.
        key: Standard InChIKey. Equal keys are the same molecule. Where InChI is not defined (a dummy atom of
            a polymer or conjugate), the canonical SMILES takes its place.
    """

    smiles: str
    key: str


def standardise(smiles: str) -> StandardMolecule | None:
    """The standard form of one SMILES string; None where rdkit cannot parse it or it holds no atom.

    Functional groups are normalised, the largest fragment is kept and charges are neutralised (rdkit's
    MolStandardize). Covalently bound metals stay: they are often what is toxic. Stereochemistry stays:
    enantiomers are two molecules.
    """
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        return None
    parent = _parent(molecule)
    if parent is None:
        return None
    canonical = Chem.MolToSmiles(parent)
    key = Chem.MolToInchiKey(parent) or canonical
    return StandardMolecule(canonical, key)


def _parent(molecule: Chem.Mol) -> Chem.Mol | None:
    """The standardised molecule, read back from its SMILES so that key and features see the same one.

    A few forms (a metallocene's charged rings) cannot be neutralised: they stay as they were written.
    """
    try:
        parent = _neutralise.uncharge(_largest.choose(_normalise.normalize(molecule)))
        read_back = Chem.MolFromSmiles(Chem.MolToSmiles(parent))
    except (ValueError, RuntimeError):  # a valence that the rules cannot settle
        read_back = None
    return read_back or Chem.MolFromSmiles(Chem.MolToSmiles(molecule))


def standardise_all(smiles: Iterable[str]) -> list[StandardMolecule | None]:
    """`standardise` for many, with rdkit's log silenced: it would print the SMILES it cannot parse."""
    with rdBase.BlockLogs():
        return [standardise(text) for text in smiles]


def scaffold_key(molecule: StandardMolecule) -> str:
    """SMILES of the Bemis–Murcko scaffold (J. Med. Chem. 1996); its own key where it has no ring."""
    return MurckoScaffold.MurckoScaffoldSmiles(smiles=molecule.smiles) or molecule.key


def feature_names(bits: int) -> tuple[str, ...]:
    """Names of the columns of `featurise`."""
    return (*(f"morgan_{i}" for i in range(bits)), *DESCRIPTORS)


def feature_kinds(bits: int) -> tuple[FeatureKind, ...]:
    """Kinds of the columns of `featurise`: counts, then numeric descriptors."""
    return (FeatureKind.COUNT,) * bits + (FeatureKind.NUMERIC,) * len(DESCRIPTORS)


def featurise(smiles: Sequence[str], *, bits: int, radius: int) -> FloatArray:
    """Count Morgan fingerprints (Rogers and Hahn 2010), then descriptors, of standard SMILES.

    Args:
        smiles: ``n`` canonical SMILES of `standardise`.
        bits: Width that the fingerprint is folded to.
        radius: In bonds; 2 is ECFP4.

    Returns:
        ``[n, bits + len(DESCRIPTORS)]`` float32; descriptors are NaN where undefined.
    """
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    x = np.empty((len(smiles), bits + len(DESCRIPTORS)), dtype=np.float32)
    with rdBase.BlockLogs():
        for row, text in zip(x, smiles, strict=True):
            molecule = Chem.MolFromSmiles(text)
            row[:bits] = generator.GetCountFingerprintAsNumPy(molecule)
            row[bits:] = describe(molecule)
    return x
