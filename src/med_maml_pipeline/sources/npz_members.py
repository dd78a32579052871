"""Arrays of an .npz file, row by row: headers are checked before data are read, and pickle never runs."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from med_maml_pipeline.sources.place import Place

__all__ = ["ArrayHeader", "NpzFile"]

_MAX_WHOLE = 2**29
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError)
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class ArrayHeader:
    """What a member declares: its shape, its type, and whether the first axis varies fastest."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def bytes(self) -> int:
        """Size of the data."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Size of one entry along the first axis."""
        return prod(self.shape[1:]) * self.dtype.itemsize


@dataclass(frozen=True)
class NpzFile:
    """Read access to the members of known names; nothing else in the archive is touched.

    Attributes:
        path: The file.
        place: For errors.
    """

    path: Path
    place: Place

    def members(self) -> frozenset[str]:
        """Names of the arrays, without ``.npy``.

        Raises:
            DataError: the file is no zip archive.
        """
        with self._guarded(), zipfile.ZipFile(self.path) as archive:
            return frozenset(name[:-4] for name in archive.namelist() if name.endswith(".npy"))

    def header(self, name: str) -> ArrayHeader:
        """Shape and type of an array.

        Raises:
            DataError: the member needs pickle, or holds more or less than it declares.
        """
        with self._guarded(), zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as stream:
            found = _read_header(stream)
            declared = stream.tell() + found.bytes
            size = archive.getinfo(f"{name}.npy").file_size
        if found.dtype.hasobject:
            raise self.place.error(
                f"the array '{name}' needs pickle, which could run code",
                expected="arrays of numbers or text",
                remedy="save it as numbers, or as fixed-width text (astype(str))",
            )
        if declared != size:
            raise self.place.error(
                f"the array '{name}' declares another size than it has",
                expected="a whole .npz file as np.savez writes it",
                remedy="save it again",
            )
        return found

    def column(self, name: str) -> NDArray[Any]:
        """A small array as a whole.

        Raises:
            DataError: it needs pickle, declares more than 512 MiB, or is damaged.
        """
        header = self.header(name)
        self._require_at_most(_MAX_WHOLE, name, header, "save it in a smaller type, or in several files")
        return np.concatenate([np.empty((0, *header.shape[1:]), header.dtype), *self.rows(name, 2**16)])

    def rows(self, name: str, batch: int) -> Iterator[NDArray[Any]]:
        """Entries along the first axis, at most ``batch`` at a time; only these are in memory.

        An array in Fortran order is the exception: its rows are scattered, so all of it is read at once.

        Raises:
            DataError: the member ends early or fails its checksum, or is in Fortran order and over 512 MiB.
        """
        header = self.header(name)
        if header.fortran:
            self._require_at_most(_MAX_WHOLE, name, header, "save np.ascontiguousarray of it")
        with self._guarded(), zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as stream:
            _read_header(stream)
            if header.fortran:
                whole = _read(stream, header.bytes, header).reshape(header.shape, order="F")
                yield from (whole[start : start + batch] for start in range(0, len(whole), batch))
            else:
                for start in range(0, header.shape[0], batch):
                    count = min(batch, header.shape[0] - start)
                    yield _read(stream, count * header.row_bytes, header).reshape(count, *header.shape[1:])
            stream.read(1)  # the checksum is compared at the end

    def _require_at_most(self, limit: int, name: str, header: ArrayHeader, remedy: str) -> None:
        if header.bytes > limit:
            raise self.place.error(
                f"the array '{name}' declares {header.bytes / 2**20:,.0f} MiB",
                expected=f"at most {limit // 2**20} MiB in one piece",
                remedy=remedy,
            )

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE:
            raise self.place.error(
                "the file is damaged or no .npz archive",
                expected="a whole file as np.savez or np.savez_compressed writes it",
                remedy="save it again",
            ) from None


def _read_header(stream: Any) -> ArrayHeader:
    read = _HEADERS.get(npy.read_magic(stream))
    if read is None:
        raise ValueError("a version of .npy that holds records")
    shape, fortran, dtype = read(stream)
    return ArrayHeader(shape, dtype, fortran)


def _read(stream: Any, size: int, header: ArrayHeader) -> NDArray[Any]:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return np.frombuffer(data, dtype=header.dtype)
