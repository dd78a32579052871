"""Columns by name: order, categories, gaps, codes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_cases import KINDS, NAMES, encoded, rows

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases, split_cases
from med_maml_pipeline.personalisation.columns import named_columns
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import FeatureKind

SCHEMA = InputSchema(tables=("s/main",), features=NAMES, kinds=KINDS, image=None, preprocessing={})


def _cases(frame: pd.DataFrame) -> Cases:
    frame = frame.drop(columns="label", errors="ignore")
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    place = Place("personalisation", "query table")
    return split_cases(frame, place, Path(), id_column="id", label_column=None)


def test_a_category_comes_raw_or_one_hot():
    own = rows(20, seed=3)
    raw = named_columns(_cases(own), SCHEMA)
    np.testing.assert_array_equal(raw, encoded(own))
    hot = own.assign(**{f"sex={level}": (own["sex"] == level).astype(int) for level in "mf"})
    np.testing.assert_array_equal(named_columns(_cases(hot.drop(columns="sex")), SCHEMA), raw)


def test_both_at_once_are_refused():
    own = rows(5, seed=3).assign(**{"sex=f": 0})
    with pytest.raises(DataError, match="missing columns: 'sex=m'; unexpected columns: 'sex'"):
        named_columns(_cases(own), SCHEMA)


def test_an_unknown_level_is_none_and_counted(caplog):
    own = rows(6, seed=3)
    own.loc[[1, 4], "sex"] = "x"
    with caplog.at_level(logging.WARNING):
        x = named_columns(_cases(own), SCHEMA)
    assert x[[1, 4], 3:].tolist() == [[0, 0], [0, 0]]
    (record,) = caplog.records
    assert "query table: 2 cells of column 'sex' hold a level that the checkpoint does not know" in (
        record.getMessage()
    )


def test_blank_cells_are_missing():
    own = rows(4, seed=3).astype(object)
    own.loc[0, "age"], own.loc[1, "sex"], own.loc[2, "visits"] = None, "", " "
    x = named_columns(_cases(own), SCHEMA)
    assert np.isnan(x).sum(axis=0).tolist() == [1, 0, 1, 1, 1]
    assert np.isnan(x[1, 3:]).all()


def test_icd9_codes_become_chapters(caplog):
    schema = InputSchema(
        tables=("s/main",),
        features=("diag=circulatory", "diag=injury"),
        kinds=(FeatureKind.INDICATOR, FeatureKind.INDICATOR),
        image=None,
        preprocessing={"icd9": ["diag"]},
    )
    own = pd.DataFrame({"id": list("abcd"), "diag": ["410.1", "805", None, "not a code"]})
    with caplog.at_level(logging.WARNING):
        x = named_columns(_cases(own), schema)
    np.testing.assert_array_equal(x, [[1, 0], [0, 1], [np.nan, np.nan], [0, 0]])
    assert "1 cells of column 'diag'" in caplog.text
