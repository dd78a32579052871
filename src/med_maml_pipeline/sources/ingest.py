"""Raw sources to examples: groups numbered and hashed, parts streamed, the cohort accounted for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import Reading, TablePart, TableSchema
from med_maml_pipeline.sources.spec import SourceSpec
from med_maml_pipeline.tasks.types import FloatArray, IntArray, PixelArray

__all__ = ["Ingestion", "Pseudonymise"]

Pseudonymise = Callable[[NDArray[np.object_], str], NDArray[np.str_]]
"""Maps raw group identifiers ``[n]`` and their namespace to keyed hashes ``[n]``."""


@dataclass
class _Numbering:
    """Numbers groups by first appearance, so that splits never depend on the identifier key."""

    next_number: int = 0
    known: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def number(self, ids: NDArray[np.object_], namespace: str, *, remember: bool) -> IntArray:
        """Numbers ``[n]``; without ``remember``, no identifier may return in a later call."""
        codes, uniques = pd.factorize(ids)
        if not remember:
            numbers = np.arange(self.next_number, self.next_number + len(uniques), dtype=np.int64)
            self.next_number += len(uniques)
            return numbers[codes]
        known = self.known[namespace]
        for unique in uniques:
            if unique not in known:
                known[unique] = self.next_number
                self.next_number += 1
        return np.array([known[unique] for unique in uniques], dtype=np.int64)[codes]


@dataclass(frozen=True)
class Ingestion:
    """A lazy, single-pass ingestion of the active sources of one modality.

    Iterating yields ``(relative path, content)`` for a snapshot: the parts of each table as Arrow tables
    ``<source>/<table>/part-00000.parquet`` (``group`` int64, ``group_key`` str, ``stratum`` str, ``x`` and
    ``y`` fixed-size float32 lists, for pictures ``pixels`` fixed-size uint8 lists), then
    ``<source>/<table>/schema.json`` and ``attrition.json``. One part is in memory at a time.

    Args:
        specs: Source specifications by name, in the order of the configuration.
        roots: Folder that each source's path is relative to.
        pseudonymise: Keyed hash of the group identifiers.

    Raises (while iterating):
        DataError: a source cannot be used as it is.
    """

    specs: Mapping[str, SourceSpec]
    roots: Mapping[str, Path]
    pseudonymise: Pseudonymise

    def __iter__(self) -> Iterator[tuple[str, pa.Table | dict[str, Any] | list[dict[str, Any]]]]:
        numbering = _Numbering()
        attrition: list[dict[str, Any]] = []
        shared = self._shared_namespaces()
        for name, spec in self.specs.items():
            reading = open_source(name, spec, self.roots[name])
            namespace = spec.group_namespace or reading.group_namespace
            remember = reading.groups_span_parts or namespace in shared
            yield from self._source(name, reading, namespace, numbering, remember)
            attrition.extend({"source": name, **asdict(row)} for row in reading.attrition)
        yield "attrition.json", attrition

    def _shared_namespaces(self) -> set[str]:
        declared = Counter(spec.group_namespace for spec in self.specs.values() if spec.group_namespace)
        return {namespace for namespace, count in declared.items() if count > 1}

    def _source(
        self, name: str, reading: Reading, namespace: str, numbering: _Numbering, remember: bool
    ) -> Iterator[tuple[str, pa.Table | dict[str, Any]]]:
        parts: Counter[str] = Counter()
        rows: Counter[str] = Counter()
        for part in reading.parts:
            _check_part(name, part)
            groups = numbering.number(part.group_ids, namespace, remember=remember)
            keys = self.pseudonymise(part.group_ids, namespace)
            yield f"{name}/{part.table}/part-{parts[part.table]:05d}.parquet", _arrow(part, groups, keys)
            parts[part.table] += 1
            rows[part.table] += len(groups)
        for schema in reading.schemas:
            if not rows[schema.table]:
                raise DataError(
                    "no row is left after reading",
                    source=name,
                    where=f"table '{schema.table}'",
                    expected="at least one usable row",
                    remedy="see the exclusions declared for this source",
                )
            yield f"{name}/{schema.table}/schema.json", _schema_json(schema, parts, rows)


def _check_part(name: str, part: TablePart) -> None:
    if len(part.x) != len(part.group_ids) or len(part.y) != len(part.group_ids):
        raise ValueError(f"reader of source '{name}' gave parts of unequal lengths in table '{part.table}'")


def _arrow(part: TablePart, groups: IntArray, keys: NDArray[np.str_]) -> pa.Table:
    strata = part.strata if part.strata is not None else np.full(len(groups), None, dtype=object)
    columns = {
        "group": pa.array(groups, type=pa.int64()),
        "group_key": pa.array(keys, type=pa.string()),
        "stratum": pa.array(strata, type=pa.string()),
        "y": _fixed_lists(part.y.astype(np.float32, copy=False)),
    }
    if part.x.shape[1]:  # Parquet does not give lists of no cell back
        columns["x"] = _fixed_lists(part.x.astype(np.float32, copy=False))
    if part.pixels is not None:
        columns["pixels"] = _fixed_lists(part.pixels.reshape(len(groups), -1))
    return pa.table(columns)


def _fixed_lists(values: FloatArray | PixelArray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1]
    )


def _schema_json(schema: TableSchema, parts: Counter[str], rows: Counter[str]) -> dict[str, Any]:
    return {
        "table": schema.table,
        "rows": rows[schema.table],
        "parts": parts[schema.table],
        "features": list(schema.features),
        "kinds": [str(kind) for kind in schema.kinds],
        "targets": [asdict(target) for target in schema.targets],
        "image": schema.image,
        "preprocessing": dict(schema.preprocessing),
    }
