"""Examples that may be shown: read from what the embedded hospital wrote, and from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import Reading, TablePart, TableSchema
from med_maml_pipeline.sources.spec import ArraysSource, PicturesSource, SourceSpec
from med_maml_pipeline.tasks.types import FloatArray, PixelArray, TargetColumn

__all__ = ["Collection", "read_synthetic"]

MOST = 4096  # examples of a source that are looked at: a larger hospital would look the same
NO_SITE = "all"


@dataclass(frozen=True)
class Collection:
    """Examples of one synthetic table whose classes have names.

    Attributes:
        label: Source, and table where it has several.
        classes: ``[n]`` name of the class.
        sites: ``[n]`` name of the site.
        features: ``f`` names of the columns of ``x``.
        x: ``[n, f]`` float32.
        pixels: ``[n, channels, height, width]`` uint8, or None.
        unit: What a column of ``x`` is measured in.
    """

    label: str
    classes: NDArray[np.str_]
    sites: NDArray[np.str_]
    features: tuple[str, ...]
    x: FloatArray
    pixels: PixelArray | None
    unit: str


def read_synthetic(specs: Mapping[str, SourceSpec], synthetic: Path) -> list[Collection]:
    """Reads the synthetic sources of one modality from the snapshot that the embedded hospital wrote.

    A source of another origin is not opened, and the paths of synthetic ones cannot leave the snapshot: no
    patient's picture or sample can come out of here.

    Args:
        specs: Active sources by name.
        synthetic: Folder of the snapshot.

    Returns:
        One per table with named classes; up to `MOST` examples of each source, in its order.

    Raises:
        DataError: a path leaves the snapshot, or a file is not what it should be.
    """
    found: list[Collection] = []
    for name, spec in specs.items():
        if spec.dataset == "synthetic":
            found.extend(_collections(name, open_source(name, _light(spec), synthetic)))
    return found


def _light(spec: SourceSpec) -> SourceSpec:
    """The source without what nobody looks at: hand-crafted features cost most of the time."""
    if not isinstance(spec, (PicturesSource, ArraysSource)):
        return spec
    options = spec.options.model_copy(update={"features": (), "workers": 1})
    return spec.model_copy(update={"options": options})


def _collections(name: str, reading: Reading) -> Iterator[Collection]:
    parts: dict[str, list[TablePart]] = {}
    seen = 0
    for part in reading.parts:
        parts.setdefault(part.table, []).append(part)
        seen += len(part.x)
        if seen >= MOST:
            break
    for schema in reading.schemas:
        named = [place for place, target in enumerate(schema.targets) if target.classes]
        if named and schema.table in parts:
            label = name if len(reading.schemas) == 1 else f"{name} · {schema.table}"
            yield _collection(label, schema, parts[schema.table], named[0])


def _collection(label: str, schema: TableSchema, parts: list[TablePart], place: int) -> Collection:
    target: TargetColumn = schema.targets[place]
    y = np.concatenate([part.y[:, place] for part in parts])
    kept = np.flatnonzero(~np.isnan(y))[:MOST]
    sites = [np.full(len(p.y), NO_SITE) if p.strata is None else p.strata.astype(str) for p in parts]
    pixels = [part.pixels for part in parts if part.pixels is not None]
    return Collection(
        label=label,
        classes=np.array(target.classes, dtype=str)[y[kept].astype(np.int64)],
        sites=np.concatenate(sites)[kept],
        features=schema.features,
        x=np.concatenate([part.x for part in parts])[kept],
        pixels=np.concatenate(pixels)[kept] if pixels else None,
        unit=_unit(schema.preprocessing),
    )


def _unit(preprocessing: Mapping[str, object]) -> str:
    """What scaling made of the values (see `sources.spec_expression`)."""
    values, scaling = preprocessing.get("values"), preprocessing.get("scaling")
    if scaling == "quantile":
        return "normal score"
    if scaling == "log":
        return "log2 CPM" if values == "counts" else "log2 intensity"
    return "value"
