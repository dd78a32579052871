"""Molecules of a user's table: fingerprints as in meta-training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.molecules import feature_kinds, feature_names, featurise
from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases, split_cases
from med_maml_pipeline.personalisation.molecules import molecule_rows
from med_maml_pipeline.sources.place import Place

SMILES = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O"]
SCHEMA = InputSchema(
    tables=("s/main",),
    features=feature_names(128),
    kinds=feature_kinds(128),
    image=None,
    preprocessing={"fingerprint_bits": 128, "fingerprint_radius": 3},
)


def _cases(smiles: list[object], **more: object) -> Cases:
    frame = pd.DataFrame({"id": range(len(smiles)), "smiles": smiles, **more})
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    place = Place("personalisation", "query table")
    return split_cases(frame, place, Path(), id_column="id", label_column=None)


def test_rows_are_those_of_meta_training():
    x = molecule_rows(_cases(SMILES), SCHEMA, "smiles")
    np.testing.assert_array_equal(x, featurise(SMILES, bits=128, radius=3))
    salt = molecule_rows(_cases(["CCO.Cl", *SMILES[1:]]), SCHEMA, "smiles")  # standardised as at ingestion
    np.testing.assert_array_equal(salt, x)


def test_unreadable_smiles_are_named_by_row():
    sentence = "query table: 2 SMILES cannot be read, first in row 2; expected SMILES that rdkit can parse"
    with pytest.raises(DataError, match=sentence) as caught:
        molecule_rows(_cases(["CCO", "C1CC(", None]), SCHEMA, "smiles")
    assert "C1CC(" not in str(caught.value)


def test_other_columns_than_smiles():
    with pytest.raises(DataError, match="unexpected columns: 'name'; expected the 1 columns that molecules"):
        molecule_rows(_cases(SMILES, name="x"), SCHEMA, "smiles")
    with pytest.raises(DataError, match="missing columns: 'structure'; unexpected columns: 'smiles'"):
        molecule_rows(_cases(SMILES), SCHEMA, "structure")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"features": feature_names(256)}, "it reads other fingerprints or descriptors than this version"),
        ({"features": feature_names(128)[:-1]}, "ingest and meta-train again with this version"),
        ({"preprocessing": {}}, "it does not say how fingerprints were made"),
    ],
)
def test_a_checkpoint_made_with_other_features(change, sentence):
    with pytest.raises(DataError, match=f"source 'checkpoint'.*{sentence}"):
        molecule_rows(_cases(SMILES), SCHEMA.model_copy(update=change), "smiles")
