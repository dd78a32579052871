"""One JPEG or PNG as an array: sizes are checked before anything is decoded, damage is an error."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.features.picture_pixels import prepare_pixels
from med_maml_pipeline.tasks.types import PixelArray

if TYPE_CHECKING:
    from med_maml_pipeline.sources.spec_imaging import PictureOptions

__all__ = ["UnusablePictureError", "decode_picture", "prepare_picture"]

_SIGNATURES: dict[bytes, type[ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
}
_DAMAGE = (OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError, struct.error, zlib.error)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_OVERSAMPLING = 4
"""A large JPEG is decoded at a half, quarter or eighth while that keeps so many times the target size."""


class UnusablePictureError(MedMamlError):
    """A picture that cannot be used; whoever knows its row tells it.

    Attributes:
        problem: What was found, as the end of "the picture of row 3 …".
        expected: What a picture has to be.
        remedy: What the user can do.
    """

    def __init__(self, problem: str, expected: str, remedy: str) -> None:
        super().__init__(problem, expected, remedy)  # all of it, so that it crosses processes
        self.problem, self.expected, self.remedy = problem, expected, remedy


def prepare_picture(source: Path | str | bytes, options: PictureOptions) -> PixelArray:
    """A picture as an example's pixels, ``[channels, size, size]`` uint8.

    Args:
        source: A file, or the bytes of one.
        options: Size, channels, centre, fit, depth range and limit.

    Raises:
        UnusablePictureError: the file cannot be read, is no JPEG or PNG, is animated, damaged or too large.
    """
    enough = ceil(_OVERSAMPLING * options.size / options.centre)
    native = decode_picture(source, max_pixels=options.max_pixels, enough=enough)
    return prepare_pixels(native, options)


def decode_picture(
    source: Path | str | bytes, *, max_pixels: int, enough: int | None = None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decodes a JPEG or PNG: grey ``[h, w]`` uint8 or uint16, colour ``[h, w, 3]`` uint8.

    Alpha is dropped, a palette looked up, CMYK converted; the EXIF orientation is applied, so that the
    picture is upright as viewers show it. Only 16-bit grey keeps 16 bits: Pillow reads 16-bit colour as 8.

    Args:
        source: A file, or the bytes of one.
        max_pixels: Largest declared width × height; checked before any pixel is decoded.
        enough: A JPEG whose sides are a multiple of this many pixels may be decoded smaller (by the
            scaled cosine transform); None decodes it in full.

    Raises:
        UnusablePictureError: see `prepare_picture`.
    """
    try:
        with BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as stream:
            return _decode(stream, max_pixels, enough)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system, not of the decoder
            raise UnusablePictureError("cannot be read", "a readable file", "check its permissions") from None
        raise UnusablePictureError(
            "is truncated or damaged",
            "a whole JPEG or PNG file",
            "copy it again from its origin, or leave it out",
        ) from None


def _decode(stream: BinaryIO, max_pixels: int, enough: int | None) -> NDArray[np.uint8] | NDArray[np.uint16]:
    head = stream.read(8)
    stream.seek(0)
    reader = next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), None)
    if reader is None:
        raise UnusablePictureError(
            "is neither JPEG nor PNG" if head else "is an empty file",
            "a JPEG or PNG file, whatever its suffix",
            "convert it, or leave it out",
        )
    with reader(stream) as image:  # reads the header only; no bomb warning, since the next line is stricter
        _check_header(image, max_pixels)
        if enough is not None:
            image.draft(None, (enough, enough))
        image.load()
        return _array(_upright(image))


def _check_header(image: ImageFile, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise UnusablePictureError(
            f"declares {width:,} × {height:,} pixels",
            f"at most {max_pixels:,} pixels",
            "shrink it, or raise 'options.max_pixels'",
        )
    if getattr(image, "n_frames", 1) > 1:
        raise UnusablePictureError("is animated", "one still picture", "save the frame you mean as a file")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGE:  # the pixels are sound all the same
        return image
    return image if turn is None else image.transpose(turn)


def _array(image: Image.Image) -> NDArray[np.uint8] | NDArray[np.uint16]:
    mode = image.mode
    if mode.startswith("I"):  # 16-bit grey; "I" holds it in 32 bits
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    if mode in ("L", "RGB"):
        return np.asarray(image)
    if mode in ("1", "LA"):
        return np.asarray(image.convert("L"))
    if mode in ("P", "PA"):  # by way of alpha, so that transparent colours are looked up without a warning
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))
