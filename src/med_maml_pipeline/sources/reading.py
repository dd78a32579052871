"""What every reader gives to ingestion: tables in parts, with an account of what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, ImageShape, PixelArray, TargetColumn

__all__ = ["AttritionRow", "Reader", "Reading", "TablePart", "TableSchema", "inside"]


@dataclass(frozen=True)
class TableSchema:
    """Columns of one table: features, kinds, targets. Known before the first part is read out.

    Attributes:
        table: Table name.
        features / kinds: The ``f`` features beside the picture, if there is one.
        targets: The ``t`` targets.
        image: Shape of the pictures that every part brings; None where there are none.
        preprocessing: What was done to the inputs, as plain data: a checkpoint serves only examples that were
            made alike.
    """

    table: str
    features: tuple[str, ...]
    kinds: tuple[FeatureKind, ...]
    targets: tuple[TargetColumn, ...]
    image: ImageShape | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TablePart:
    """Some rows of one table, in source order.

    Attributes:
        table: Table name.
        x: ``[n, f]`` float32, NaN = missing.
        y: ``[n, t]`` float32, NaN = unobserved.
        group_ids: ``[n]`` str: raw group identifiers (ingestion numbers and hashes them; they go no
            further).
        strata: ``[n]`` str, or None.
        pixels: ``[n, channels, height, width]`` uint8 where the schema has an ``image``, else None.
    """

    table: str
    x: FloatArray
    y: FloatArray
    group_ids: NDArray[np.object_]
    strata: NDArray[np.object_] | None = None
    pixels: PixelArray | None = None


@dataclass(frozen=True)
class AttritionRow:
    """One line of the cohort account: at ``step``, ``lost`` rows left, ``kept`` remained."""

    table: str
    step: str
    kept: int
    lost: int


@dataclass(frozen=True)
class Reading:
    """A source opened: its schemas, its parts (read lazily, once), and the account.

    Attributes:
        schemas: One per table.
        parts: Iterator of parts; memory holds one at a time.
        attrition: Filled while ``parts`` is consumed; complete afterwards.
        group_namespace: Default namespace of the groups (``molecule`` for SMILES, else the source name).
        groups_span_parts: False where the format promises that a group lies within one part (MEDS): then
            ingestion need not remember the groups it has seen.
    """

    schemas: tuple[TableSchema, ...]
    parts: Iterator[TablePart]
    attrition: list[AttritionRow]
    group_namespace: str
    groups_span_parts: bool = True


class Reader(Protocol):
    """Opens a source of one format. ``root`` is the folder that ``spec.path`` is relative to."""

    def __call__(self, name: str, spec: object, root: Path) -> Reading:
        """Validates what can be validated cheaply, then returns the lazy reading.

        Raises:
            DataError: with source, place, expectation and remedy.
        """


def inside(root: Path, relative: str, *, source: str) -> Path:
    """Joins ``relative`` to ``root`` and refuses to leave it or to name what does not exist.

    Raises:
        DataError: the path is absolute, leaves ``root`` (also through links), or does not exist.
    """
    base = root.resolve()
    path = (base / relative).resolve()
    if not path.is_relative_to(base):
        raise DataError(
            "the configured path leaves its folder",
            source=source,
            where=f"path '{relative}'",
            expected="a path relative to the data root, without '..' or links that lead out",
            remedy="move the data under the root or change the root",
        )
    if not path.exists():
        raise DataError(
            "no such file or folder",
            source=source,
            where=f"path '{relative}'",
            expected="it under the configured data root",
            remedy="check the path, or set the root with --params public_data_root=FOLDER",
        )
    return path
