"""Hand-crafted picture features against scikit-image, and what they must not depend on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk, ellipse, rectangle
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern

from med_maml_pipeline.features.picture_gradients import hog_features
from med_maml_pipeline.features.picture_shape import foreground, shape_features, shape_names
from med_maml_pipeline.features.pictures import eight_views, grey, picture_feature_names, picture_features
from med_maml_pipeline.sources.spec_imaging import PictureOptions

ALL = PictureOptions()


def smooth(rng: np.random.Generator, channels: int, size: int) -> np.ndarray:
    """Blobs, as of a stained slide: ``[channels, size, size]``."""
    coarse = rng.integers(0, 256, (channels, size // 4, size // 4))
    return np.kron(coarse, np.ones((4, 4))).astype(np.uint8)


def column(x: np.ndarray, options: PictureOptions, name: str) -> np.ndarray:
    return x[:, picture_feature_names(options).index(name)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("size", [16, 18, 32, 128])
def test_every_column_has_a_name_and_a_finite_value(channels: int, views: int, size: int) -> None:
    options = PictureOptions(channels=channels, views=views, size=size)
    names = picture_feature_names(options)
    rng = np.random.default_rng(0)
    pictures = [np.full((channels, size, size), level, dtype=np.uint8) for level in (0, 128, 255)]
    pictures.append(rng.integers(0, 256, (channels, size, size), dtype=np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = picture_features(np.stack(pictures), options)
    assert x.shape == (4, len(names))
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert len(set(names)) == len(names) < 500


def test_order_of_the_option_does_not_matter_and_none_gives_no_column() -> None:
    assert picture_feature_names(PictureOptions(features=("texture", "hog"))) == picture_feature_names(
        PictureOptions(features=("hog", "texture"))
    )
    none = picture_features(np.zeros((2, 3, 32, 32), dtype=np.uint8), PictureOptions(features=()))
    assert none.shape == (2, 0)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    turn=st.integers(0, 3),
    mirrored=st.booleans(),
    channels=st.sampled_from([1, 3]),
)
def test_eight_views_make_features_blind_to_rotation_and_reflection(
    seed: int, turn: int, mirrored: bool, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    options = PictureOptions(channels=channels, size=16)
    picture = smooth(rng, channels, 16) if seed % 2 else rng.integers(0, 256, (channels, 16, 16), np.uint8)
    other = np.rot90(picture[:, :, ::-1] if mirrored else picture, turn, axes=(1, 2))
    x = picture_features(np.stack([picture, other]), options)
    np.testing.assert_allclose(x[0], x[1], rtol=1e-5, atol=1e-5)


def test_one_view_sees_rotation() -> None:
    options = PictureOptions(views=1)
    picture = smooth(np.random.default_rng(1), 3, 32)
    x = picture_features(np.stack([picture, np.rot90(picture, axes=(1, 2))]), options)
    hogs = [name.startswith("hog_") for name in picture_feature_names(options)]
    assert np.abs(x[0, hogs] - x[1, hogs]).max() > 0.05


def test_a_picture_has_the_same_features_alone_and_in_company() -> None:
    rng = np.random.default_rng(2)
    pictures = np.stack([smooth(rng, 3, 32) for _ in range(5)])
    together = picture_features(pictures, ALL)
    for i in range(5):
        np.testing.assert_array_equal(together[i : i + 1], picture_features(pictures[i : i + 1], ALL))


def test_gradients_patterns_and_cooccurrence_are_those_of_scikit_image() -> None:
    options = PictureOptions(channels=1, views=1)
    picture = smooth(np.random.default_rng(3), 1, 32)
    x = picture_features(picture[None], options)[0]
    plain = picture[0]
    expected = hog(plain / 255, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
    names = picture_feature_names(options)
    np.testing.assert_allclose(x[[n.startswith("hog_") for n in names]], expected, atol=1e-6)
    patterns = [
        np.histogram(local_binary_pattern(plain, p, r, "uniform"), np.arange(p + 3))[0] / plain.size
        for p, r in ((8, 1), (16, 2))
    ]
    np.testing.assert_allclose(x[[n.startswith("lbp_") for n in names]], np.concatenate(patterns), atol=1e-6)
    matrix = graycomatrix(
        plain // 16, [2], [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4], 16, symmetric=True, normed=True
    )
    for name in ("contrast", "correlation", "energy", "homogeneity"):
        mean = graycoprops(matrix, name).mean()
        np.testing.assert_allclose(x[names.index(f"glcm_{name}_2")], mean, rtol=1e-5)


def test_eight_views_average_the_gradients_and_drop_only_repeats() -> None:
    options = PictureOptions(channels=1, features=("hog",))
    picture = smooth(np.random.default_rng(4), 1, 32)
    mean = np.mean([hog_features(view) for view in eight_views(picture[0])], axis=0)
    kept = [int(name.removeprefix("hog_")) for name in picture_feature_names(options)]
    np.testing.assert_allclose(picture_features(picture[None], options)[0], mean[kept], atol=1e-6)
    mirrored = mean.reshape(3, 3, 2, 2, 8)[:, ::-1, :, ::-1]  # columns of blocks and of cells swapped
    np.testing.assert_allclose(mirrored.sum(axis=-1), mean.reshape(3, 3, 2, 2, 8).sum(axis=-1), atol=0.02)


def test_colour_of_a_plain_picture() -> None:
    red = np.zeros((1, 3, 16, 16), dtype=np.uint8)
    red[:, 0] = 255
    x = picture_features(red, ALL)
    assert column(x, ALL, "red_mean") == column(x, ALL, "red_q50") == 1
    assert column(x, ALL, "green_mean") == column(x, ALL, "red_sd") == 0
    assert column(x, ALL, "hue_bin_0") == column(x, ALL, "saturation_bin_5") == 1
    np.testing.assert_allclose(column(x, ALL, "lab_l_mean"), 0.5324, atol=1e-3)  # CIE L* of sRGB red, / 100
    assert grey(red[0])[0, 0] == 76  # round(.299 × 255)


def test_shape_of_known_figures() -> None:
    names = shape_names()
    empty = np.full((64, 64), 220, dtype=np.uint8)
    figures = {"disc": disk((31.5, 31.5), 16), "ellipse": ellipse(31.5, 31.5, 8, 24)}
    figures["square"] = rectangle((16, 16), (47, 47))
    figures["ring"] = disk((31.5, 31.5), 16)
    measured = {}
    for name, where in figures.items():
        picture = empty.copy()
        picture[where] = 90
        if name == "ring":
            picture[disk((31.5, 31.5), 8)] = 220
        measured[name] = dict(zip(names, shape_features(picture), strict=True))
    disc, oval, square, ring = (measured[name] for name in ("disc", "ellipse", "square", "ring"))
    assert disc["shape_area"] == pytest.approx(np.pi * 16**2 / 64**2, rel=0.02)
    assert disc["shape_eccentricity"] < 0.05
    assert oval["shape_eccentricity"] == pytest.approx(np.sqrt(1 - (8 / 24) ** 2), abs=0.02)
    assert disc["shape_circularity"] == pytest.approx(1, abs=0.05)
    assert square["shape_circularity"] < 0.92 < disc["shape_circularity"]  # Crofton rounds corners off
    assert square["shape_extent"] == square["shape_solidity"] == 1
    assert ring["shape_holes"] == pytest.approx(0.25, abs=0.02)
    assert disc["shape_holes"] == 0
    assert np.expm1(disc["shape_parts"]) == pytest.approx(1)


def test_foreground_is_what_touches_the_border_less() -> None:
    picture = np.full((32, 32), 30, dtype=np.uint8)
    picture[8:24, 8:24] = 200
    assert foreground(picture).sum() == foreground(255 - picture).sum() == 16 * 16
    assert not foreground(np.full((8, 8), 7, dtype=np.uint8)).any()
