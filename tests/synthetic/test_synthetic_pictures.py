"""Slides and scans show the diseases of the record's patients: graded, learnable, shifted between sites."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Callable
from itertools import islice

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml
from few_shot import Collection, few_shot, statistics
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from synthetic_hospital import REPO

from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_imaging, write_truth
from med_maml_pipeline.synthetic.appearance import FACTORS
from med_maml_pipeline.synthetic.scans import write_scans

SETTINGS = SyntheticHospitalSettings(n_molecules=100, n_slides=800, n_scans=700, scans_per_shard=300)
SEED = 5

Files = dict[str, pd.DataFrame | bytes]


@pytest.fixture(scope="module")
def files() -> Files:
    return dict(write_imaging(SETTINGS, SEED))


@pytest.fixture(scope="module")
def truth() -> dict[str, pl.DataFrame]:
    return {path: pl.DataFrame(table) for path, table in write_truth(SETTINGS, SEED)}


@pytest.fixture(scope="module")
def shards(files: Files) -> list[dict[str, NDArray]]:
    paths = sorted(path for path in files if path.endswith(".npz"))
    return [dict(np.load(io.BytesIO(files[path]), allow_pickle=False)) for path in paths]


@pytest.fixture(scope="module")
def slides(files: Files, truth: dict[str, pl.DataFrame]) -> Collection:
    table = files["slides/labels.csv"]
    pictures = [_decoded(files[f"slides/{path}"]) for path in table["path"]]
    return Collection(
        x=np.array([statistics(picture) for picture in pictures]),
        kind=table["diagnosis"].to_numpy(object),
        patient=table["patient"].to_numpy(),
        site=table["site"].to_numpy(object),
        severity=truth["slides.parquet"]["severity"].to_numpy(),
    )


@pytest.fixture(scope="module")
def scans(shards: list[dict[str, NDArray]], truth: dict[str, pl.DataFrame]) -> Collection:
    return Collection(
        x=np.array([statistics(picture) for shard in shards for picture in shard["images"]]),
        kind=np.concatenate([shard["labels"] for shard in shards]).astype(str).astype(object),
        patient=np.concatenate([shard["groups"] for shard in shards]).astype(np.int64),
        site=np.concatenate([shard["strata"] for shard in shards]).astype(object),
        severity=truth["scans.parquet"]["severity"].to_numpy(),
    )


def _decoded(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    settings = SyntheticHospitalSettings(n_patients=300, n_slides=100, n_scans=100)
    first, second, other = (dict(write_imaging(settings, seed)) for seed in (3, 3, 4))
    assert list(first) == list(second)
    assert first["slides/labels.csv"].equals(second["slides/labels.csv"])
    for path, content in first.items():
        if isinstance(content, bytes):
            assert content == second[path]
            assert content != other[path]


def test_the_table_names_every_picture_and_tells_no_severity(files: Files) -> None:
    table = files["slides/labels.csv"]
    assert list(table.columns) == ["path", "patient", "site", "organ", "diagnosis"]
    pictures = {f"slides/{path}" for path in table["path"]}
    assert pictures == {path for path in files if path.endswith(".png")}
    assert len(pictures) == len(table) == SETTINGS.n_slides
    with Image.open(io.BytesIO(files["slides/" + table["path"][0]])) as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")


def test_shards_are_laid_out_as_the_reader_expects(shards: list[dict[str, NDArray]]) -> None:
    assert [len(shard["labels"]) for shard in shards] == [300, 300, 100]
    for shard in shards:
        assert set(shard) == {"images", "labels", "groups", "strata"}
        assert shard["images"].shape[1:] == (64, 64)
        assert shard["images"].dtype == np.uint8
        assert shard["groups"].dtype.kind == shard["strata"].dtype.kind == "U"


@pytest.mark.parametrize("n_diseases", [24, 28, 42])
def test_class_names_of_the_catalog_are_those_of_the_labels(n_diseases: int) -> None:
    settings = SyntheticHospitalSettings(n_diseases=n_diseases, n_scans=100, picture_size=32, n_molecules=100)
    content = dict(write_scans(settings, 0))["scans/shard-000.npz"]
    labels = np.load(io.BytesIO(content))["labels"]
    catalog = yaml.safe_load((REPO / "conf/base/catalog_01_raw.yml").read_text())
    names = np.array(catalog["imaging_sources"]["sources"]["synthetic_scans"]["classes"])
    told = {path: pl.DataFrame(table) for path, table in write_truth(settings, 0) if path == "scans.parquet"}
    assert told["scans.parquet"]["diagnosis"].to_list() == names[labels].tolist()


def test_pictures_show_the_primary_disease_of_the_records_patients(truth: dict[str, pl.DataFrame]) -> None:
    patients = pl.concat([table for path, table in truth.items() if path.startswith("patients/")])
    diseases = truth["diseases.parquet"]
    for name in ("slides.parquet", "scans.parquet"):
        shown = truth[name].join(patients, on="subject_id", suffix="_record")
        assert len(shown) > 0.9 * len(truth[name])  # the rest are referrals
        assert (shown["site"] == shown["site_record"]).all()
        for row in shown.iter_rows(named=True):
            code = f"DIAGNOSIS//{row['diagnosis']}"
            if row["severity"] > 0:
                (family,) = diseases.filter(pl.col("code") == code)["family"]
                siblings = diseases.filter(pl.col("family") == family)["code"]
                assert row["severity"] == pytest.approx(row[code], abs=1e-6)
                assert row["severity"] >= max(row[sibling] for sibling in siblings) - 1e-6
            else:
                assert row["diagnosis"] == f"NORMAL_{row['organ']}"


def test_a_patient_is_in_one_class_and_may_have_several_pictures(
    slides: Collection, scans: Collection
) -> None:
    for data in (slides, scans):
        frame = pd.DataFrame({"patient": data.patient, "kind": data.kind})
        assert (frame.groupby("patient")["kind"].nunique() == 1).all()
        assert set(frame.groupby("patient").size()) == {1, 2, 3}
        per_class = frame.groupby("kind")["patient"].nunique()
        assert len(per_class) >= 20
        assert per_class.min() >= 15
    assert len(np.intersect1d(slides.patient, scans.patient)) > 200


def test_the_default_hospital_has_25_patients_in_14_classes_and_more() -> None:
    plans = pl.DataFrame(dict(write_truth(SyntheticHospitalSettings(n_molecules=100), 0))["slides.parquet"])
    per_class = plans.group_by("diagnosis").agg(pl.col("subject_id").n_unique())["subject_id"]
    assert (per_class >= 25).sum() >= 20


def test_a_small_hospital_is_filled_up_by_referrals() -> None:
    settings = SyntheticHospitalSettings(
        n_patients=300, patients_per_shard=200, n_molecules=100, n_slides=360, n_scans=300
    )
    truth = {path: pl.DataFrame(table) for path, table in write_truth(settings, 0)}
    for name in ("slides.parquet", "scans.parquet"):
        per_class = truth[name].group_by("diagnosis").agg(pl.col("subject_id").n_unique())["subject_id"]
        assert (per_class >= 8).sum() >= 9
        assert 0.6 < (truth[name]["subject_id"] <= 300).mean() < 1.0
        assert truth[name]["subject_id"].min() >= 1


@pytest.mark.parametrize("which", ["slides", "scans"])
def test_five_examples_teach_something_but_not_all(which: str, request: pytest.FixtureRequest) -> None:
    data: Collection = request.getfixturevalue(which)
    accuracy = few_shot(data, episodes=60)[:, 0].mean()
    assert 0.5 < accuracy < 0.8  # chance is .2


def test_diseases_of_one_organ_can_be_told_apart_with_effort(
    slides: Collection, truth: dict[str, pl.DataFrame]
) -> None:
    organ = truth["slides.parquet"]["organ"].to_numpy()
    for name in np.unique(organ):
        accuracy = few_shot(slides.rows(organ == name), episodes=40)[:, 0].mean()
        assert 0.25 < accuracy < 0.7, name


def test_severe_disease_is_easier_to_see(slides: Collection, scans: Collection) -> None:
    right, severity = np.concatenate([few_shot(data, episodes=80) for data in (slides, scans)]).T
    severe, mild = severity > 1.6, (severity > 0) & (severity < 1.0)
    assert right[severe].mean() > right[mild].mean() + 0.04


def test_sites_differ_in_what_their_scanners_make(slides: Collection, scans: Collection) -> None:
    """A linear model tells the site; it could not if scanners and stains were alike."""
    for data in (slides, scans):
        train = data.patient % 2 == 0
        x = (data.x - data.x[train].mean(0)) / data.x[train].std(0)
        model = LogisticRegression(max_iter=500).fit(x[train], data.site[train])
        assert model.score(x[~train], data.site[~train]) > 0.8


def test_every_disease_moves_shape_texture_and_colour_and_looks_follow(
    truth: dict[str, pl.DataFrame],
) -> None:
    effects = truth["picture_effects.parquet"]
    kinds = effects.group_by("code").agg(pl.col("kind").unique())["kind"]
    assert len(kinds) == SETTINGS.n_diseases
    assert all(set(kind) == {"shape", "texture", "colour"} for kind in kinds)
    shown = truth["slides.parquet"].filter(pl.col("severity") > 0)
    pairs = shown.join(effects, left_on="DIAGNOSIS//" + pl.col("diagnosis"), right_on="code")
    expected = (pairs["effect"] * pairs["severity"]).to_numpy()
    looks = np.array([row[row["factor"]] for row in pairs.iter_rows(named=True)])
    np.testing.assert_allclose(np.polyfit(expected, looks, 1), [1.0, 0.0], atol=0.05)


@pytest.mark.parametrize(
    ("name", "of", "least"),
    [
        ("nuclear_uptake", lambda light: -np.percentile(light[..., 0], 3), 0.2),
        ("matrix_uptake", lambda light: light[..., 0].mean() - light[..., 1].mean(), 0.2),
        ("granularity", lambda light: np.abs(np.diff(light.mean(2), axis=0)).mean(), 0.2),
    ],
)
def test_factors_are_seen_in_the_pixels(
    name: str, of: Callable[[NDArray], float], least: float, files: Files, truth: dict[str, pl.DataFrame]
) -> None:
    """Within organ, site and stain, the factor of the truth goes with what a plain measure finds."""
    frame = truth["slides.parquet"].to_pandas()
    frame["measure"] = [of(_decoded(files[f"slides/{path}"]) / 255.0) for path in frame["path"]]
    frame = frame[(frame["stain"] == "he") & (frame["organ"] != "blood")]
    within = frame.groupby(["organ", "site"])[["measure", name]].transform(
        lambda column: column - column.mean()
    )
    assert name in FACTORS
    assert within.corr().iloc[0, 1] > least


def test_memory_does_not_grow_while_pictures_are_made() -> None:
    settings = SyntheticHospitalSettings(
        n_patients=300, n_slides=100, n_scans=100, scans_per_shard=10, picture_size=32
    )
    held: list[int] = []
    tracemalloc.start()
    try:
        for number, (_path, _content) in enumerate(write_imaging(settings, 0)):
            if number % 10 == 0 or number > 100:
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    slides, shards = held[1:11], held[11:]
    assert (len(slides), len(shards)) == (10, 10)
    assert max(slides) - slides[0] < 100_000  # ninety pictures, if kept, take 270,000 bytes
    assert max(shards) - shards[0] < 30_000  # nine shards, if kept, 90,000


@pytest.mark.parametrize(
    "wrong", [{"n_slides": 10}, {"picture_size": 16}, {"n_scans": 10**6}, {"scans_per_shard": 0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        SyntheticHospitalSettings(**wrong)


def test_pictures_of_another_size_show_the_same() -> None:
    small, large = (
        dict(islice(write_imaging(SETTINGS.model_copy(update={"picture_size": size}), 1), 2))
        for size in (32, 128)
    )
    assert small["slides/labels.csv"].equals(large["slides/labels.csv"])
    pictures = [_decoded(made["slides/images/slide-00000.png"]) for made in (small, large)]
    assert [len(picture) for picture in pictures] == [32, 128]
    shrunk = pictures[1].reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert np.corrcoef(shrunk.ravel(), pictures[0].astype(float).ravel())[0, 1] > 0.6
