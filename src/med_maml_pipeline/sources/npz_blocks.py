"""The blocks of MedMNIST-style .npz files: pictures with labels, groups and strata, checked by header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.sources.npz_members import ArrayHeader, NpzFile
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import IntArray

__all__ = ["ArrayBlock", "open_blocks"]

_PREFIXES = ("train_", "val_", "test_", "")
_MAX_VALUES = 4
"""Values per pixel that ``max_pixels`` allows for: as many as RGB and alpha have."""


@dataclass(frozen=True)
class ArrayBlock:
    """One array of pictures and what belongs to it.

    Attributes:
        file: The archive.
        images: Name of its array of pictures.
        header: Shape ``[n, h, w]`` or ``[n, h, w, c]`` and type of that array.
        labels: ``[n]`` class numbers.
        groups / strata: ``[n]`` str, or None.
    """

    file: NpzFile
    images: str
    header: ArrayHeader
    labels: IntArray
    groups: NDArray[np.object_] | None
    strata: NDArray[np.object_] | None

    def __len__(self) -> int:
        return self.header.shape[0]

    @property
    def place(self) -> Place:
        """Where its pictures are."""
        return self.file.place.within(f"array '{self.images}'")


def open_blocks(file: NpzFile, max_pixels: int) -> list[ArrayBlock]:
    """The blocks of one archive, train before val before test before the plain one.

    Args:
        file: The archive.
        max_pixels: Largest declared width × height of a picture.

    Raises:
        DataError: an array is missing, of the wrong type or shape, or as long as no other.
    """
    members = file.members()
    found = [prefix for prefix in _PREFIXES if members & {f"{prefix}images", f"{prefix}labels"}]
    if not found:
        raise file.place.error(
            "the file holds no array of pictures",
            expected="'images' and 'labels', or 'train_images' and 'train_labels' and so on",
            remedy="rename the arrays",
        )
    return [_open_block(file, prefix, members, max_pixels) for prefix in found]


def _open_block(file: NpzFile, prefix: str, members: frozenset[str], max_pixels: int) -> ArrayBlock:
    for name, other in (("images", "labels"), ("labels", "images")):
        if f"{prefix}{name}" not in members:
            raise file.place.error(
                f"the array '{prefix}{name}' is missing beside '{prefix}{other}'",
                expected="pictures and labels in pairs",
                remedy="add it, or leave the other out",
            )
    header = file.header(f"{prefix}images")
    _check_pictures(header, file.place.within(f"array '{prefix}images'"), max_pixels)
    optional = {
        name: _column(file, f"{prefix}{name}", header.shape[0], "iubUS")
        for name in ("groups", "strata")
        if f"{prefix}{name}" in members
    }
    return ArrayBlock(
        file,
        f"{prefix}images",
        header,
        _column(file, f"{prefix}labels", header.shape[0], "iub").astype(np.int64),
        **{name: _text(optional[name]) if name in optional else None for name in ("groups", "strata")},
    )


def _check_pictures(header: ArrayHeader, place: Place, max_pixels: int) -> None:
    shape = header.shape
    if header.dtype.kind != "u" or header.dtype.itemsize > 2:
        raise place.error(
            f"pictures are of type {header.dtype.name}",
            expected="uint8 or uint16",
            remedy="scale them to 0..255 and save them as uint8",
        )
    flat = len(shape) in (3, 4) and 0 not in shape[1:]
    volume = len(shape) == 4 and shape[3] > 4 and (shape[1] <= 4 or shape[1] == shape[2] == shape[3])
    if not flat or volume:
        raise place.error(
            f"pictures have the shape {list(shape)}",
            expected="[n, height, width] or [n, height, width, channels]",
            remedy="move the channels last; a volume is no picture" if volume else "save them in that shape",
        )
    if shape[1] * shape[2] > max_pixels or header.row_bytes > 2 * _MAX_VALUES * max_pixels:
        raise place.error(
            f"each picture declares {' × '.join(f'{side:,}' for side in shape[1:])} values",
            expected=f"at most {max_pixels:,} pixels of {_MAX_VALUES} channels",
            remedy="shrink them, or raise 'options.max_pixels'",
        )


def _column(file: NpzFile, name: str, count: int, kinds: str) -> NDArray[Any]:
    header = file.header(name)
    place = file.place.within(f"array '{name}'")
    if header.dtype.kind not in kinds:
        raise place.error(
            f"its type is {header.dtype.name}",
            expected="integers or text" if "U" in kinds else "integers, the numbers of the classes",
            remedy="convert it",
        )
    if header.shape not in ((count,), (count, 1)):
        raise place.error(
            f"its shape is {list(header.shape)} beside {count} pictures",
            expected=f"[{count}] or [{count}, 1]",
            remedy="save one entry per picture",
        )
    return file.column(name).reshape(-1)


def _text(values: NDArray[Any]) -> NDArray[np.object_]:
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", errors="replace")
    return values.astype(str).astype(object)
