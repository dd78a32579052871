"""Fabricated pictures and archives: sound ones, and ones that must be refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import Reading, TablePart
from med_maml_pipeline.sources.spec import SourceSpec

SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)
TASKS = [{"family": "class", "kind": "classes", "target": "label"}]


def encoded(array: np.ndarray, file_format: str = "PNG", **options: Any) -> bytes:
    """A picture file's bytes."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, file_format, **options)
    return stream.getvalue()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png_of_declared_size(width: int, height: int) -> bytes:
    """A PNG whose header declares that size over hardly any data."""
    return raw_png(width, height, 8, 2, b"\0" * 64)


def raw_png(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG (ISO/IEC 15948) of these rows, each after its filter byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def write_folder(root: Path, files: dict[str, bytes], labels: str, table: str = "labels.csv") -> None:
    """Writes pictures and a label table under ``root/scans``."""
    for name, content in files.items():
        path = root / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "scans").mkdir(exist_ok=True)
    (root / "scans" / table).write_text(labels)


def open_folder(root: Path, options: dict[str, Any] | None = None, **entry: Any) -> Reading:
    columns = {"target": "label", **entry.pop("columns", {})}
    options = {"size": 16, "features": [], "workers": 1, **(options or {})}
    spec = {"format": "pictures", "path": "scans", "tasks": TASKS, "columns": columns, "options": options}
    return open_source("clinic", SPEC.validate_python({**spec, **entry}), root)


def open_arrays(root: Path, path: str, options: dict[str, Any] | None = None, **entry: Any) -> Reading:
    options = {"size": 16, "features": [], "workers": 1, **(options or {})}
    spec = {"format": "npz", "path": path, "tasks": TASKS, "options": options, **entry}
    return open_source("clinic", SPEC.validate_python(spec), root)


def joined(reading: Reading) -> TablePart:
    """All parts as one."""
    parts = list(reading.parts)
    strata = None if parts[0].strata is None else np.concatenate([part.strata for part in parts])
    return TablePart(
        parts[0].table,
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.group_ids for part in parts]),
        strata,
        np.concatenate([part.pixels for part in parts]),
    )


def account(reading: Reading) -> dict[str, tuple[int, int]]:
    """Kept and lost by step."""
    return {row.step: (row.kept, row.lost) for row in reading.attrition}
