"""Mechanisms of action: which substructures and properties make a molecule act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

__all__ = ["FEATURES", "GENERAL", "MECHANISMS", "Mechanism", "molecule_features"]


def _logp(molecule: Chem.Mol) -> float:
    """Octanol-water partition coefficient by Crippen's atomic contributions."""
    return float(rdMolDescriptors.CalcCrippenDescriptors(molecule)[0])


_SUBSTRUCTURES = {
    "phenol": "c[OX2H]",
    "fused_aromatic": "[c,n;R2]",
    "aryl_halide": "c[Cl,Br,I]",
    "trifluoromethyl": "C(F)(F)F",
    "nitrile": "C#N",
    "amide": "[CX3](=O)[NX3]",
    "carboxylic_acid": "[CX3](=O)[OX2H1]",
    "alkyl_chain": "[CH2][CH2][CH2][CH2]",
    "michael_acceptor": "[CX3]=[CX3][CX3]=O",
    "nitro": "[N+](=O)[O-]",
    "epoxide": "C1OC1",
    "isothiocyanate": "N=C=S",
    "azine_nitrogen": "[nX2;r6]",
    "azole_nitrogen": "[nX2;r5]",
    "basic_amine": "[NX3;!$(N-C=[O,N,S]);!$(N-S=O);!$(N-a);!$(N-N)]",
    "saturated_amine_ring": "[NX3;r6]C[CX4;r6]",
    "aryl_ether": "c[OX2][CX4]",
    "pyrimidine": "c1cncnc1",
    "aryl_amine": "c[NX3;H1,H2]",
    "azo": "N=N",
    "sulfonamide": "S(=O)(=O)[NX3]",
    "thioether": "[#6][SX2][#6]",
    "furan_or_thiophene": "[o,s;r5]",
}

_DESCRIPTORS: dict[str, tuple[Callable[[Chem.Mol], float], float, float]] = {
    "logp": (_logp, 2.8, 1.6),
    "tpsa": (rdMolDescriptors.CalcTPSA, 60.0, 30.0),
    "weight": (rdMolDescriptors.CalcExactMolWt, 300.0, 80.0),
    "aromatic_rings": (rdMolDescriptors.CalcNumAromaticRings, 1.7, 1.0),
    "donors": (rdMolDescriptors.CalcNumHBD, 1.3, 1.1),
}

FEATURES = (*_SUBSTRUCTURES, *_DESCRIPTORS)
"""Names of the causal features: presence of a substructure (0/1), or a property in fixed units of spread."""

GENERAL = {"logp": 0.3, "aryl_halide": 0.3, "nitro": 0.4, "michael_acceptor": 0.4}
"""General toxicity, a part of every assay: what a zero-shot prior can know."""


@dataclass(frozen=True)
class Mechanism:
    """A latent mechanism: its name and the weights of its causal features."""

    name: str
    weights: dict[str, float]


MECHANISMS = (
    Mechanism("NRER", {"phenol": 1.4, "logp": 0.3, "aromatic_rings": 0.4, "aryl_ether": 0.5}),
    Mechanism("NRAHR", {"fused_aromatic": 1.2, "aromatic_rings": 0.4, "tpsa": -0.4, "aryl_halide": 0.6}),
    Mechanism("NRAR", {"trifluoromethyl": 1.2, "nitrile": 1.0, "amide": 0.8, "nitro": 0.6}),
    Mechanism("NRPPAR", {"carboxylic_acid": 1.5, "alkyl_chain": 0.9, "logp": 0.4, "aryl_ether": 0.4}),
    Mechanism("SRARE", {"michael_acceptor": 1.4, "nitro": 0.7, "epoxide": 1.2, "isothiocyanate": 1.3}),
    Mechanism("SRMMP", {"phenol": 0.7, "nitro": 0.7, "logp": 0.5, "aryl_halide": 0.6, "sulfonamide": 0.4}),
    Mechanism("CYP", {"azine_nitrogen": 1.0, "azole_nitrogen": 1.2, "logp": 0.3, "tpsa": -0.3}),
    Mechanism("HERG", {"basic_amine": 1.4, "logp": 0.4, "aromatic_rings": 0.3, "carboxylic_acid": -0.8}),
    Mechanism("GPCR", {"saturated_amine_ring": 1.3, "basic_amine": 0.6, "aryl_ether": 0.6, "thioether": 0.5}),
    Mechanism("KINASE", {"pyrimidine": 1.3, "aryl_amine": 0.9, "donors": 0.4, "azine_nitrogen": 0.5}),
    Mechanism(
        "GENOTOX", {"nitro": 1.3, "aryl_amine": 0.9, "azo": 1.2, "epoxide": 1.0, "fused_aromatic": 0.4}
    ),
    Mechanism("PROTEASE", {"sulfonamide": 1.5, "amide": 0.7, "tpsa": 0.5, "furan_or_thiophene": 0.6}),
)
"""Named in the manner of Tox21 and ToxCast. Mechanisms share features, so that assays are related."""


def molecule_features(smiles: Sequence[str]) -> NDArray[np.float64]:
    """Causal features ``[n, len(FEATURES)]`` of parsable SMILES."""
    patterns = [Chem.MolFromSmarts(smarts) for smarts in _SUBSTRUCTURES.values()]
    rows = []
    for text in smiles:
        molecule = Chem.MolFromSmiles(text)
        present = [float(molecule.HasSubstructMatch(pattern)) for pattern in patterns]
        scaled = [(compute(molecule) - centre) / spread for compute, centre, spread in _DESCRIPTORS.values()]
        rows.append(present + scaled)
    return np.array(rows, dtype=np.float64)
