"""What may lie in a file, by suffix, and how it becomes bytes: no pickle, and the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Arrays", "Content", "read_content", "write_content", "write_file"]

Arrays = Mapping[str, NDArray[np.generic]]
Content: TypeAlias = pa.Table | pd.DataFrame | Mapping[str, Any] | Sequence[Any] | str | bytes
"""A table (.parquet, .csv), arrays by name (.safetensors), plain data (.json), text or bytes."""


def write_content(content: Content, suffix: str, file: BinaryIO) -> None:
    """Writes ``content`` in the format that ``suffix`` names.

    Equal content gives equal bytes within one set of library versions: Parquet carries no time stamp, and
    arrays are written in the order of their names.

    Raises:
        TypeError: the content does not fit the suffix. Names types, never values.
    """
    if isinstance(content, bytes):
        file.write(content)
    elif isinstance(content, str) and suffix != ".json":
        file.write(content.encode())
    elif suffix in _WRITERS:
        _WRITERS[suffix](content, file)
    else:
        raise TypeError(f"'{suffix}' files take text or bytes, not {type(content).__name__}")


def read_content(path: Path, suffix: str | None = None) -> Any:
    """Reads a file by ``suffix`` (default: its own).

    Returns:
        ``.parquet``: pyarrow Table; ``.csv``: DataFrame; ``.json``: plain data; ``.safetensors``: dict of
        arrays; ``.txt``, ``.md``, ``.html``, ``.yml``: str; any other: bytes.
    """
    reader = _READERS.get(path.suffix if suffix is None else suffix)
    return reader(path) if reader else path.read_bytes()


def write_file(content: Content, path: Path, suffix: str | None = None) -> tuple[int, str]:
    """Writes ``content`` to the new file ``path`` and flushes it to the disk.

    Args:
        content: What to write.
        path: File to create.
        suffix: Format, where it differs from the path's own suffix.

    Returns:
        Size in bytes and SHA-256, both taken while writing.
    """
    with _HashingFile(path) as raw:
        buffer = io.BufferedWriter(raw, buffer_size=1 << 20)
        write_content(content, path.suffix if suffix is None else suffix, buffer)
        buffer.flush()
        os.fsync(raw.fileno())
        buffer.detach()
        return raw.written, raw.sha256.hexdigest()


class _HashingFile(io.FileIO):
    """A new file that takes the SHA-256 of what is written to it, from start to end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.sha256 = hashlib.sha256()
        self.written = 0

    def write(self, data: ReadableBuffer) -> int:
        count = super().write(data)
        self.sha256.update(memoryview(data).cast("B")[:count])
        self.written += count
        return count

    def seekable(self) -> bool:
        return False  # a digest taken while writing holds only without going back


def _write_parquet(content: Content, file: BinaryIO) -> None:
    if isinstance(content, pd.DataFrame):
        content = pa.Table.from_pandas(content, preserve_index=False)
    if not isinstance(content, pa.Table):
        raise TypeError(f"'.parquet' files take a pyarrow Table or DataFrame, not {type(content).__name__}")
    pq.write_table(content, file, compression="zstd", version="2.6")


def _write_csv(content: Content, file: BinaryIO) -> None:
    if isinstance(content, pa.Table):
        content = content.to_pandas()
    if not isinstance(content, pd.DataFrame):
        raise TypeError(f"'.csv' files take a DataFrame, not {type(content).__name__}")
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    content.to_csv(text, index=False, lineterminator="\n")
    text.flush()
    text.detach()


def _write_json(content: Content, file: BinaryIO) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, default=_plain)
    file.write(f"{text}\n".encode())


def _write_safetensors(content: Content, file: BinaryIO) -> None:
    from safetensors.numpy import save

    if not isinstance(content, Mapping) or not all(isinstance(a, np.ndarray) for a in content.values()):
        raise TypeError("'.safetensors' files take a mapping of names to NumPy arrays")
    # safetensors writes the buffer as it lies in memory: a transposed array would come back scrambled.
    file.write(save({name: np.asarray(content[name], order="C") for name in sorted(content)}))


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _read_parquet(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)  # folder names are ours, not columns


def _read_csv(path: Path) -> pd.DataFrame:
    # Only an empty cell is missing: a source may well be called "NA". Floats come back as they were.
    return pd.read_csv(path, keep_default_na=False, na_values=[""], float_precision="round_trip")


def _read_safetensors(path: Path) -> dict[str, NDArray[np.generic]]:
    from safetensors.numpy import load_file

    arrays: dict[str, NDArray[np.generic]] = load_file(path)
    return arrays


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_text(path: Path) -> str:
    return path.read_bytes().decode()  # line ends as they were


_WRITERS: dict[str, Callable[[Content, BinaryIO], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".json": _write_json,
    ".safetensors": _write_safetensors,
}
_READERS: dict[str, Callable[[Path], Any]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".json": _read_json,
    ".safetensors": _read_safetensors,
    ".txt": _read_text,
    ".md": _read_text,
    ".html": _read_text,
    ".yml": _read_text,
}
