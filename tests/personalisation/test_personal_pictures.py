"""Pictures of a user: prepared as in meta-training, refused by row number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.picture_pixels import picture_preprocessing
from med_maml_pipeline.features.pictures import picture_feature_names, picture_features
from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases
from med_maml_pipeline.personalisation.pictures import picture_rows
from med_maml_pipeline.sources.pictures_decode import prepare_picture
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.tasks.types import FeatureKind

OPTIONS = PictureOptions(size=16, features=("colour",), views=1, batch=2)
NAMES = picture_feature_names(OPTIONS)
SCHEMA = InputSchema(
    tables=("s/main",),
    features=NAMES,
    kinds=(FeatureKind.NUMERIC,) * len(NAMES),
    image=(3, 16, 16),
    preprocessing=picture_preprocessing(OPTIONS),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of different sizes and a table."""
    rng = np.random.default_rng(0)
    (tmp_path / "scans").mkdir()
    for number in range(5):
        pixels = rng.integers(0, 255, (20 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "scans" / f"{number}.png")
    return tmp_path


def _cases(folder: Path, **columns: object) -> Cases:
    table = {"path": [f"scans/{n}.png" for n in range(5)], "id": list("abcde"), **columns}
    pd.DataFrame(table).to_csv(folder / "query.csv", index=False)
    return Cases.read(folder / "query.csv", "query", id_column="id", label_column=None)


def test_pictures_are_prepared_as_in_meta_training(folder):
    table = picture_rows(_cases(folder), SCHEMA, "path")
    pixels = np.stack([prepare_picture(folder / "scans" / f"{n}.png", OPTIONS) for n in range(5)])
    np.testing.assert_array_equal(table.pixels, pixels)
    np.testing.assert_array_equal(table.x, picture_features(pixels, OPTIONS))
    assert table.image == SCHEMA.image
    assert table.rows(np.arange(5)).shape == (5, 3 * 16 * 16 + len(NAMES))


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        (
            ["scans/0.png", "scans/9.png", *["scans/2.png"] * 3],
            "1 of 5 rows name a picture that does not exi",
        ),
        (["../outside.png", *[f"scans/{n}.png" for n in range(4)]], "1 of 5 rows name a path that leaves"),
        (
            [f"scans/{n}.png" for n in (0, 1, 2, 2, 3)],
            "1 of 5 rows name a picture that an earlier row names, first in row 4",
        ),
    ],
)
def test_paths(folder, paths, sentence):
    with pytest.raises(DataError, match=f"query table: {sentence}"):
        picture_rows(_cases(folder, path=paths), SCHEMA, "path")


def test_a_truncated_picture_is_named_by_its_row(folder):
    whole = (folder / "scans" / "3.png").read_bytes()
    (folder / "scans" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="the picture of row 4 is truncated or damaged") as caught:
        picture_rows(_cases(folder), SCHEMA, "path")
    assert "3.png" not in str(caught.value)


def test_other_columns(folder):
    with pytest.raises(DataError, match="unexpected columns: 'age'; expected the 1 columns that pictures"):
        picture_rows(_cases(folder, age=3), SCHEMA, "path")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": (3, 32, 32)}, "its pictures have another shape than their options give"),
        ({"features": NAMES[1:]}, "it reads other features of pictures than this version computes"),
        ({"preprocessing": {"size": 4}}, "it does not say how pictures were made"),
    ],
)
def test_a_checkpoint_made_with_other_pictures(folder, change, sentence):
    with pytest.raises(DataError, match=f"source 'checkpoint'.*{sentence}"):
        picture_rows(_cases(folder), SCHEMA.model_copy(update=change), "path")
