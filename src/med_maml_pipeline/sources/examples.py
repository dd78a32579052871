"""Examples back from the artifact that ingestion wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from med_maml_pipeline.tasks.types import (
    Examples,
    FeatureKind,
    FeatureTable,
    FloatArray,
    PixelArray,
    TargetColumn,
    TargetType,
)

__all__ = ["ExampleStore", "load_examples"]


class ExampleStore(Protocol):
    """Read access to a snapshot folder: names and contents."""

    def names(self, prefix: str = "") -> Sequence[str]:
        """Relative paths that start with ``prefix``."""

    def read(self, name: str) -> Any:
        """Content of one file: an Arrow table, or what JSON holds."""


def load_examples(store: ExampleStore, keys: Collection[str] | None = None) -> dict[str, Examples]:
    """Loads tables by ``source/table`` key.

    Args:
        store: The snapshot that ingestion wrote.
        keys: Which tables; all when None.
    """
    found = [str(PurePosixPath(name).parent) for name in store.names() if name.endswith("/schema.json")]
    wanted = [key for key in found if keys is None or key in keys]
    return {key: _load(store, key) for key in wanted}


def _load(store: ExampleStore, key: str) -> Examples:
    schema = store.read(f"{key}/schema.json")
    parts = [store.read(f"{key}/part-{number:05d}.parquet") for number in range(schema["parts"])]
    table = pa.concat_tables(parts)
    source, name = key.split("/", 1)
    strata = table["stratum"].to_numpy(zero_copy_only=False)
    return Examples(
        source=source,
        table=name,
        inputs=FeatureTable(
            x=_matrix(table, "x", len(schema["features"])),
            names=tuple(schema["features"]),
            kinds=tuple(FeatureKind(kind) for kind in schema["kinds"]),
            pixels=_pixels(table, schema["image"]),
        ),
        y=_matrix(table, "y", len(schema["targets"])),
        targets=tuple(
            TargetColumn(
                t["name"], TargetType(t["target_type"]), t["n_classes"], t["cluster"], tuple(t["classes"])
            )
            for t in schema["targets"]
        ),
        groups=table["group"].to_numpy(),
        strata=None if all(value is None for value in strata) else strata,
    )


def _pixels(table: pa.Table, image: Sequence[int] | None) -> PixelArray | None:
    if image is None:
        return None
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table["pixels"].chunks]
    return np.concatenate(chunks).reshape(-1, *image)


def _matrix(table: pa.Table, name: str, width: int) -> FloatArray:
    if not len(table) or not width:
        return np.empty((len(table), width), dtype=np.float32)
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table[name].chunks]
    return np.concatenate(chunks).astype(np.float32, copy=False).reshape(-1, width)
