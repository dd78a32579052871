"""Molecules of a user's table as the inputs of a checkpoint."""

from __future__ import annotations

import numpy as np

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.molecules import feature_names, featurise, standardise_all
from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases, require_columns
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["molecule_rows"]


def molecule_rows(cases: Cases, schema: InputSchema, smiles_column: str) -> FloatArray:
    """Fingerprints and descriptors ``[n, f]`` of the molecules, made as in meta-training.

    Args:
        cases: A table whose only input is a column of SMILES.
        schema: Its preprocessing names the fingerprint's width and radius.
        smiles_column: Name of that column.

    Raises:
        DataError: the checkpoint was made with other features, columns are missing or too many, or a SMILES
            cannot be read.
    """
    bits, radius = (schema.preprocessing.get(f"fingerprint_{name}") for name in ("bits", "radius"))
    if not isinstance(bits, int) or not isinstance(radius, int):
        raise _unlike("does not say how fingerprints were made")
    if schema.features is not None and schema.features != feature_names(bits):
        raise _unlike("reads other fingerprints or descriptors than this version computes")
    require_columns(cases, [smiles_column], "molecules have")
    cells = cases.inputs[smiles_column].astype(object)
    molecules = standardise_all(str(cell) if isinstance(cell, str) else "" for cell in cells)
    bad = np.array([molecule is None for molecule in molecules])
    if bad.any():
        raise cases.place.error(
            f"{int(bad.sum())} SMILES cannot be read, first in row {cells.index[bad][0]}",
            expected="SMILES that rdkit can parse",
            remedy="correct or remove these rows",
        )
    smiles = [molecule.smiles for molecule in molecules if molecule is not None]
    return featurise(smiles, bits=bits, radius=radius)


def _unlike(problem: str) -> DataError:
    return DataError(
        f"it {problem}",
        source="checkpoint",
        where="preprocessing",
        expected="count Morgan fingerprints and this version's descriptors",
        remedy="ingest and meta-train again with this version",
    )
