"""What a worker does with a batch of pictures: digests of files, or pixels and features."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.picture_pixels import prepare_pixels
from med_maml_pipeline.features.pictures import picture_features
from med_maml_pipeline.sources.pictures_decode import UnusablePictureError, prepare_picture
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.tasks.types import FloatArray, PixelArray

__all__ = [
    "PreparedBatch",
    "RefusedPicture",
    "digest_arrays",
    "digest_files",
    "prepare_arrays",
    "prepare_files",
]


@dataclass(frozen=True)
class PreparedBatch:
    """Examples of a batch: ``pixels`` ``[n, channels, size, size]`` uint8 and features ``x`` ``[n, f]``."""

    pixels: PixelArray
    x: FloatArray


@dataclass(frozen=True)
class RefusedPicture:
    """The first picture of a batch that cannot be used: its position in the batch, and why."""

    position: int
    error: UnusablePictureError

    def told(self, rows: Sequence[int], place: Place) -> DataError:
        """The error to raise: names the picture by its row; ``rows`` are the row numbers of the batch."""
        return place.error(
            f"the picture of row {rows[self.position]} {self.error.problem}",
            expected=self.error.expected,
            remedy=self.error.remedy,
        )


def prepare_files(paths: Sequence[str], options: PictureOptions) -> PreparedBatch | RefusedPicture:
    """Decodes and prepares files; one decoded picture is in memory at a time."""
    pixels = _empty(len(paths), options)
    for position, path in enumerate(paths):
        try:
            pixels[position] = prepare_picture(path, options)
        except UnusablePictureError as error:
            return RefusedPicture(position, error)
    return PreparedBatch(pixels, picture_features(pixels, options))


def prepare_arrays(pictures: NDArray[Any], options: PictureOptions) -> PreparedBatch:
    """Prepares pictures ``[n, h, w]`` or ``[n, h, w, c]``, uint8 or uint16."""
    pixels = _empty(len(pictures), options)
    for position, picture in enumerate(pictures):
        pixels[position] = prepare_pixels(picture, options)
    return PreparedBatch(pixels, picture_features(pixels, options))


def digest_files(paths: Sequence[str]) -> list[bytes] | RefusedPicture:
    """SHA-256 of each file."""
    digests = []
    for position, path in enumerate(paths):
        try:
            with Path(path).open("rb") as stream:
                digests.append(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            error = UnusablePictureError("cannot be read", "a readable file", "check its permissions")
            return RefusedPicture(position, error)
    return digests


def digest_arrays(pictures: NDArray[Any]) -> list[bytes]:
    """SHA-256 of each picture's pixels, with their type and shape."""
    head = f"{pictures.dtype.name} {pictures.shape[1:]}".encode()
    return [hashlib.sha256(head + np.ascontiguousarray(picture).tobytes()).digest() for picture in pictures]


def _empty(count: int, options: PictureOptions) -> PixelArray:
    return np.empty((count, options.channels, options.size, options.size), dtype=np.uint8)
