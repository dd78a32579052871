"""Expression samples of a user: scaled as in meta-training, each by itself; .h5ad as well as text."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.described_inputs import Inputs, InputSchema
from med_maml_pipeline.personalisation import PersonalisationSettings
from med_maml_pipeline.personalisation.inputs import prepare, read_cases
from med_maml_pipeline.sources.spec_expression import ExpressionScale
from med_maml_pipeline.tasks.types import FeatureKind

GENES = ("TP53", "EGFR", "MYC")
LOG_COUNTS = ExpressionScale(values="counts", scaling="log").model_dump(mode="json")


def _inputs(**changes: object) -> Inputs:
    schema = {
        "tables": ("s/main",),
        "features": GENES,
        "kinds": (FeatureKind.NUMERIC,) * 3,
        "image": None,
        "preprocessing": LOG_COUNTS,
    }
    return Inputs(
        format=1,
        modality="expression",
        shared_inputs=True,
        shared_meaning=False,
        target_types=("binary",),
        per_class=("binary",),
        schemas=(InputSchema(**{**schema, **changes}),),
    )


def _counts(n: int = 6) -> pd.DataFrame:
    counts = np.random.default_rng(0).poisson(20, (n, 3))
    frame = pd.DataFrame(counts, columns=list(GENES))
    return frame.assign(id=[f"sample {i}" for i in range(n)], label=[i % 2 for i in range(n)])


def _prepare(support: Path, query: Path, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    settings = PersonalisationSettings()
    tables = read_cases(support, query, "expression", settings)
    rows = prepare(*tables, inputs, inputs.schemas[0], settings)
    return rows.support, rows.query


def _as_text(folder: Path, frame: pd.DataFrame) -> tuple[Path, Path]:
    frame.iloc[:4].to_csv(folder / "s.csv", index=False)
    frame.iloc[4:].drop(columns="label").to_csv(folder / "q.csv", index=False)
    return folder / "s.csv", folder / "q.csv"


def _as_h5ad(folder: Path, frame: pd.DataFrame) -> tuple[Path, Path]:
    for name, part in (("s", frame.iloc[:4]), ("q", frame.iloc[4:].drop(columns="label"))):
        obs = part.drop(columns=list(GENES)).astype(str).set_index("id")
        anndata.AnnData(
            part[list(GENES)].to_numpy(dtype=np.float32), obs=obs, var=pd.DataFrame(index=list(GENES))
        ).write_h5ad(folder / f"{name}.h5ad")
    return folder / "s.h5ad", folder / "q.h5ad"


@pytest.mark.parametrize("write", [_as_text, _as_h5ad])
def test_samples_are_scaled_as_in_meta_training(tmp_path, write):
    frame = _counts()
    support, query = _prepare(*write(tmp_path, frame), _inputs())
    counts = frame[list(GENES)].to_numpy(dtype=float)
    expected = np.log2(1e6 * counts / counts.sum(axis=1, keepdims=True) + 1)
    np.testing.assert_allclose(np.concatenate([support, query]), expected, rtol=1e-6)


def test_the_order_of_the_genes_does_not_matter(tmp_path):
    frame = _counts()
    one = _prepare(*_as_text(tmp_path, frame), _inputs())
    turned = frame[["MYC", "label", "TP53", "id", "EGFR"]]
    for before, after in zip(one, _prepare(*_as_text(tmp_path, turned), _inputs()), strict=True):
        np.testing.assert_array_equal(before, after)


def test_genes_by_any_name_where_sets_differ(tmp_path):
    free = _inputs(features=None, kinds=None, preprocessing=ExpressionScale().model_dump(mode="json"))
    frame = _counts().rename(columns={"TP53": "a", "EGFR": "b", "MYC": "c"})
    support, _ = _prepare(*_as_text(tmp_path, frame), free)
    np.testing.assert_array_equal(support, frame[["a", "b", "c"]].iloc[:4])


def test_values_of_another_kind(tmp_path):
    frame = _counts().astype({"MYC": float})
    frame.loc[5, "MYC"] = -1.5
    with pytest.raises(DataError, match="query table: 1 cells are negative, first in row 2; expected whole"):
        _prepare(*_as_text(tmp_path, frame), _inputs())


def test_other_genes(tmp_path):
    frame = _counts().rename(columns={"MYC": "ACTB"})
    with pytest.raises(DataError, match="missing columns: 'MYC'; unexpected columns: 'ACTB'"):
        _prepare(*_as_text(tmp_path, frame), _inputs())


def test_a_checkpoint_that_does_not_say_how_it_scaled(tmp_path):
    with pytest.raises(
        DataError, match="source 'checkpoint'.*does not say how expression values were scaled"
    ):
        _prepare(*_as_text(tmp_path, _counts()), _inputs(preprocessing={"scaling": "unheard of"}))


def test_a_file_that_is_no_h5ad(tmp_path):
    (tmp_path / "s.h5ad").write_text("nothing")
    with pytest.raises(DataError, match="support table: the file is not HDF5, or it is damaged"):
        _prepare(tmp_path / "s.h5ad", tmp_path / "q.csv", _inputs())
