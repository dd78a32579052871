"""Any picture as a square of bytes: bit depth, channels, fit and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from med_maml_pipeline.tasks.types import PixelArray

if TYPE_CHECKING:
    from med_maml_pipeline.sources.spec_imaging import PictureOptions

__all__ = ["picture_preprocessing", "prepare_pixels"]

FEATURE_ORDER = ("hog", "colour", "texture")
_SHAPING = ("size", "channels", "centre", "fit", "depth_range", "views")


def picture_preprocessing(options: PictureOptions) -> dict[str, object]:
    """The options that shape an example, as plain data that survives JSON; limits and batches do not."""
    return {
        **{name: getattr(options, name) for name in _SHAPING},
        "features": [name for name in FEATURE_ORDER if name in options.features],
    }


def prepare_pixels(picture: NDArray[np.uint8] | NDArray[np.uint16], options: PictureOptions) -> PixelArray:
    """Maps to 8 bits, converts channels, keeps the middle, fits and resizes, in this order.

    Args:
        picture: ``[h, w]`` or ``[h, w, c]``, uint8 or uint16. Two channels are grey and alpha, four are RGB
            and alpha; of more than four the first three are taken.
        options: Size, channels, centre, fit and depth range.

    Returns:
        ``[channels, size, size]`` uint8, resized with Pillow's triangle filter, whose support grows with the
        reduction (antialiased).
    """
    image = Image.fromarray(_drop_extra(_to_bytes(picture, options.depth_range)))
    mode = "L" if options.channels == 1 else "RGB"
    image = image if image.mode == mode else image.convert(mode)  # grey is ITU-R 601 luma
    fitted = np.asarray(_FITS[options.fit](_middle(image, options.centre), options.size))
    return fitted[None] if options.channels == 1 else np.ascontiguousarray(fitted.transpose(2, 0, 1))


def _to_bytes(picture: NDArray[np.uint8] | NDArray[np.uint16], depth_range: str) -> NDArray[np.uint8]:
    top = np.iinfo(picture.dtype).max
    low, high = (0.0, float(top))
    if depth_range == "picture":
        first, last = np.percentile(picture, [1, 99])
        low, high = (float(first), float(last)) if last > first else (low, high)
    elif picture.dtype == np.uint8:
        return picture.astype(np.uint8, copy=False)
    levels = (np.arange(top + 1) - low) * (255 / (high - low))
    table = np.rint(levels.clip(0, 255)).astype(np.uint8)
    return table[picture]  # a look-up needs no float copy of a large picture


def _drop_extra(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim == 2:
        return picture
    return np.ascontiguousarray(picture[..., 0] if picture.shape[2] < 3 else picture[..., :3])


def _middle(image: Image.Image, share: float) -> Image.Image:
    if share == 1.0:
        return image
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _crop(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def _stretch(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _pad(image: Image.Image, size: int) -> Image.Image:
    """Resized first, so that a long strip never becomes a large square."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    square = np.empty((size, size, *small.shape[2:]), dtype=np.uint8)
    square[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = small
    return Image.fromarray(square)


_FITS = {"crop": _crop, "stretch": _stretch, "pad": _pad}
