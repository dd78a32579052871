"""Reader of MedMNIST-style .npz files: one, or a folder of shards."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.npz_blocks import ArrayBlock, open_blocks
from med_maml_pipeline.sources.npz_members import NpzFile
from med_maml_pipeline.sources.picture_batches import digest_arrays, prepare_arrays
from med_maml_pipeline.sources.picture_folder import MAX_PICTURE_CLASSES, TABLE, picture_schema
from med_maml_pipeline.sources.picture_groups import join_groups
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, inside
from med_maml_pipeline.sources.spec import ArraysSource
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.sources.worker_batches import Workers
from med_maml_pipeline.tasks.types import FloatArray, IntArray, TargetColumn, TargetType

__all__ = ["read_arrays"]

_BATCH_BYTES = 2**26


def read_arrays(name: str, spec: ArraysSource, root: Path) -> Reading:
    """Opens .npz files. Headers and labels are checked at once; pictures are read while parts are consumed.

    Pictures are read twice, in pieces of ``options.batch`` or 64 MiB, whichever is less: to find exact
    duplicates, then to prepare them in ``options.workers`` processes. Rows keep the order of the files (by
    name), of the parts in them (train, val, test, plain), and of the arrays.

    Args:
        name: Source name.
        spec: Its configuration.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        ConfigurationError: a class name occurs twice.
        DataError: a file or array cannot be used; carries the number of the file and the array's name.
    """
    place = Place(name, f"path '{spec.path}'")
    if len(set(spec.classes)) < len(spec.classes):
        raise ConfigurationError(f"source '{name}': 'classes' names a class twice.")
    blocks = [
        block
        for file in _files(inside(root, spec.path, source=name), place)
        for block in open_blocks(file, spec.options.max_pixels)
    ]
    y, target = _target(np.concatenate([block.labels for block in blocks]), spec, place)
    groups, strata = (_joined(blocks, which, place) for which in ("groups", "strata"))
    attrition = [AttritionRow(TABLE, "rows read", len(y), 0)]
    return Reading(
        schemas=(picture_schema(spec.options, target),),
        parts=_parts(blocks, y, groups, strata, spec.options, attrition, place),
        attrition=attrition,
        group_namespace=name,
    )


def _files(path: Path, place: Place) -> list[NpzFile]:
    if not path.is_dir():
        return [NpzFile(path, place)]
    shards = sorted(shard for shard in path.glob("*.npz") if not shard.name.startswith("."))
    if not shards:
        raise place.error("the folder holds no .npz file", expected="shards named *.npz")
    files = []
    for number, shard in enumerate(shards, start=1):
        spot = place.within(f"file {number} of {len(shards)}")
        if not shard.resolve().is_relative_to(path):
            raise spot.error("a link leads out of the folder", remedy="copy the file into the folder")
        files.append(NpzFile(shard, spot))
    return files


def _target(labels: IntArray, spec: ArraysSource, place: Place) -> tuple[FloatArray, TargetColumn]:
    """Labels ``[n]`` numbered by the classes that occur, in the order of their numbers."""
    if spec.classes:
        outside = (labels < 0) | (labels >= len(spec.classes))
        if outside.any():
            raise place.error(
                f"{int(outside.sum())} of {len(labels)} labels have no name in 'classes', first at picture "
                f"{int(outside.argmax()) + 1}",
                expected=f"numbers from 0 to {len(spec.classes) - 1}",
                remedy="name every class in 'classes'",
            )
    occurring, y = np.unique(labels, return_inverse=True)
    names = tuple(spec.classes[number] if spec.classes else str(number) for number in occurring)
    if spec.positive:
        y, names = np.isin(np.array(names)[y], spec.positive).astype(np.int64), ()
    found = len(np.unique(y))
    if not 2 <= found <= MAX_PICTURE_CLASSES:
        raise place.error(
            f"the labels hold {found} classes",
            expected=f"2 to {MAX_PICTURE_CLASSES} classes",
            remedy="check 'positive' and the labels",
        )
    kind = TargetType.BINARY if found == 2 else TargetType.MULTICLASS
    return y.astype(np.float32), TargetColumn(spec.target, kind, found, cluster=spec.target, classes=names)


def _joined(blocks: list[ArrayBlock], which: str, place: Place) -> NDArray[np.object_] | None:
    columns = [getattr(block, which) for block in blocks]
    present = [column for column in columns if column is not None]
    if not present:
        return None
    if len(present) < len(columns):
        raise place.error(
            f"{len(columns) - len(present)} of {len(columns)} arrays of pictures have no '{which}'",
            expected=f"'{which}' for all of them or for none",
            remedy="add or remove them",
        )
    return np.concatenate(present)


def _parts(
    blocks: list[ArrayBlock],
    y: FloatArray,
    declared: NDArray[np.object_] | None,
    strata: NDArray[np.object_] | None,
    options: PictureOptions,
    attrition: list[AttritionRow],
    place: Place,
) -> Iterator[TablePart]:
    digests = [digest for pictures in _pieces(blocks, options) for digest in digest_arrays(pictures)]
    groups = join_groups(declared, digests, y)
    attrition += groups.account(TABLE)
    start = 0
    with Workers(options.workers if len(y) > options.batch else 1, place) as workers:
        for made in workers.map(partial(prepare_arrays, options=options), _pieces(blocks, options)):
            rows = slice(start, start + len(made.pixels))
            start = rows.stop
            some = None if strata is None else strata[rows]
            yield TablePart(TABLE, made.x, y[rows, None], groups.ids[rows], some, made.pixels)


def _pieces(blocks: list[ArrayBlock], options: PictureOptions) -> Iterator[NDArray[Any]]:
    for block in blocks:
        count = max(1, min(options.batch, _BATCH_BYTES // block.header.row_bytes))
        for pictures in block.file.rows(block.images, count):
            yield pictures.astype(pictures.dtype.newbyteorder("="), copy=False)
