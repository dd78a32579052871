"""Hand-crafted features of small pictures: gradients, colour and texture, averaged over eight views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.features.picture_colour import colour_features, colour_names
from med_maml_pipeline.features.picture_gradients import hog_names, mean_hog
from med_maml_pipeline.features.picture_pixels import FEATURE_ORDER
from med_maml_pipeline.features.picture_shape import shape_features, shape_names
from med_maml_pipeline.features.picture_texture import (
    cooccurrence_features,
    cooccurrence_names,
    pattern_features,
    pattern_names,
    radial_features,
    radial_names,
)
from med_maml_pipeline.tasks.types import FloatArray, PixelArray

if TYPE_CHECKING:
    from med_maml_pipeline.sources.spec_imaging import PictureOptions

__all__ = ["eight_views", "grey", "picture_feature_names", "picture_features"]


def picture_feature_names(options: PictureOptions) -> tuple[str, ...]:
    """Names of the columns of `picture_features`, always in the order hog, colour, texture."""
    names = {
        "hog": hog_names(options.views),
        "colour": colour_names(options.channels),
        "texture": (*pattern_names(), *cooccurrence_names(), *radial_names(), *shape_names()),
    }
    return tuple(name for block in FEATURE_ORDER if block in options.features for name in names[block])


def picture_features(pixels: PixelArray, options: PictureOptions) -> FloatArray:
    """Features of prepared pictures, each from its own pixels alone.

    With ``views`` 8 every feature is the mean over the rotations by quarter turns and their mirror images
    (the dihedral group of the square). Gradients and local patterns are computed in all eight; the others are
    the same in each, so once is enough.

    Args:
        pixels: ``[n, channels, size, size]`` uint8, as `prepare_picture` makes them.
        options: Which features, and how many views.

    Returns:
        ``[n, f]`` float32, finite for every picture, a constant one too.
    """
    width = len(picture_feature_names(options))
    x = np.empty((len(pixels), width), dtype=np.float32)
    if width:
        for row, picture in zip(x, pixels, strict=True):
            row[:] = _row(picture, options)
    return x


def grey(picture: PixelArray) -> NDArray[np.uint8]:
    """ITU-R 601 luma ``[h, w]`` of ``[1 or 3, h, w]``, rounded."""
    if len(picture) == 1:
        return picture[0]
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)  # 2**16 × .299, .587, .114
    luma = (picture.astype(np.uint32) * weights[:, None, None]).sum(axis=0, dtype=np.uint32)
    return ((luma + 32768) >> 16).astype(np.uint8)


def eight_views(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The rotations by quarter turns of ``[h, w]``, then those of its mirror image."""
    mirrored = (picture, picture[:, ::-1])
    return [np.ascontiguousarray(np.rot90(one, turn)) for one in mirrored for turn in range(4)]


def _row(picture: PixelArray, options: PictureOptions) -> NDArray[np.float64]:
    plain = grey(picture)
    views = eight_views(plain) if options.views == 8 else [plain]
    blocks: list[NDArray[np.float64]] = []
    if "hog" in options.features:
        blocks.append(mean_hog(views))
    if "colour" in options.features:
        blocks.append(colour_features(picture))
    if "texture" in options.features:
        blocks.append(np.mean([pattern_features(view) for view in views], axis=0))
        blocks += [cooccurrence_features(plain), radial_features(plain), shape_features(plain)]
    return np.concatenate(blocks)
