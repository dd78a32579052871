"""A fixed, named list of two-dimensional molecular descriptors that rdkit computes quickly and robustly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Fragments, rdMolDescriptors

from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["DESCRIPTORS", "describe"]

LIMIT = 1e5
"""Values beyond this are clipped: no descriptor of a drug-like molecule comes near."""

_PROPERTIES = (
    *("exactmw", "lipinskiHBA", "lipinskiHBD", "NumRotatableBonds", "NumHBD", "NumHBA"),
    *("NumHeavyAtoms", "NumAtoms", "NumHeteroatoms", "NumAmideBonds", "FractionCSP3", "NumRings"),
    *("NumAromaticRings", "NumAliphaticRings", "NumSaturatedRings", "NumHeterocycles"),
    *("NumAromaticHeterocycles", "NumSaturatedHeterocycles", "NumAliphaticHeterocycles"),
    *("NumSpiroAtoms", "NumBridgeheadAtoms", "NumAtomStereoCenters", "NumUnspecifiedAtomStereoCenters"),
    *("labuteASA", "tpsa", "CrippenClogP", "CrippenMR", "chi0v", "chi1v", "chi2v", "chi3v", "chi4v"),
    *("chi0n", "chi1n", "chi2n", "chi3n", "chi4n", "hallKierAlpha", "kappa1", "kappa2", "kappa3", "Phi"),
)

_GROUPS = (
    *("Al_COO", "Al_OH", "ArN", "Ar_COO", "Ar_N", "Ar_NH", "Ar_OH", "COO", "C_O", "C_S", "HOCCN", "Imine"),
    *("NH0", "NH1", "NH2", "N_O", "Ndealkylation1", "Ndealkylation2", "Nhpyrrole", "SH", "aldehyde"),
    *("alkyl_carbamate", "alkyl_halide", "allylic_oxid", "amide", "amidine", "aniline", "aryl_methyl"),
    *("azo", "benzene", "bicyclic", "dihydropyridine", "epoxide", "ester", "ether", "furan", "guanido"),
    *("halogen", "hdrzine", "hdrzone", "imidazole", "imide", "ketone", "lactam", "lactone", "methoxy"),
    *("morpholine", "nitrile", "nitro", "nitro_arom", "oxazole", "oxime", "para_hydroxylation", "phenol"),
    *("phos_acid", "phos_ester", "piperdine", "piperzine", "priamide", "pyridine", "quatN", "sulfide"),
    *("sulfonamd", "sulfone", "term_acetylene", "tetrazole", "thiazole", "thiophene", "unbrch_alkane"),
    "urea",
)

_BCUT = tuple(
    f"BCUT2D_{name}" for name in ("MWHI", "MWLOW", "CHGHI", "CHGLO", "LOGPHI", "LOGPLOW", "MRHI", "MRLOW")
)

_properties = rdMolDescriptors.Properties(list(_PROPERTIES))
_groups: tuple[Callable[[Chem.Mol], int], ...] = tuple(getattr(Fragments, f"fr_{name}") for name in _GROUPS)


def _count_groups(molecule: Chem.Mol) -> list[int]:
    return [count(molecule) for count in _groups]


_BLOCKS: tuple[tuple[tuple[str, ...], Callable[[Chem.Mol], Sequence[float]]], ...] = (
    (_PROPERTIES, _properties.ComputeProperties),
    (tuple(f"SlogP_VSA{i}" for i in range(1, 13)), rdMolDescriptors.SlogP_VSA_),
    (tuple(f"SMR_VSA{i}" for i in range(1, 11)), rdMolDescriptors.SMR_VSA_),
    (tuple(f"PEOE_VSA{i}" for i in range(1, 15)), rdMolDescriptors.PEOE_VSA_),
    (tuple(f"MQN{i}" for i in range(1, 43)), rdMolDescriptors.MQNs_),
    (_BCUT, rdMolDescriptors.BCUT2D),
    (tuple(f"fr_{name}" for name in _GROUPS), _count_groups),
)

DESCRIPTORS: tuple[str, ...] = tuple(name for names, _ in _BLOCKS for name in names)
"""Names in order. Physico-chemistry, surface areas by logP, refractivity and charge (Labute 2000), molecular
quantum numbers (Nguyen et al. 2009), Burden matrix eigenvalues, and counts of functional groups."""


def describe(molecule: Chem.Mol) -> FloatArray:
    """Descriptors ``[len(DESCRIPTORS)]`` of one molecule: float32, finite or NaN, within ±1e5.

    A block that rdkit cannot compute (partial charges of a rare metal) is NaN: missing, to an encoder.
    """
    values = np.concatenate([_block(names, compute, molecule) for names, compute in _BLOCKS])
    values[~np.isfinite(values)] = np.nan
    return np.clip(values, -LIMIT, LIMIT).astype(np.float32)


def _block(
    names: tuple[str, ...], compute: Callable[[Chem.Mol], Sequence[float]], molecule: Chem.Mol
) -> np.ndarray:
    try:
        return np.asarray(compute(molecule), dtype=np.float64)
    except (ValueError, RuntimeError):  # rdkit's words for "no parameters for this element"
        return np.full(len(names), np.nan)
