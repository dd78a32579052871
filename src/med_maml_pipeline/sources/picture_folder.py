"""Reader of a folder of JPEG or PNG pictures with a table of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.features.picture_pixels import picture_preprocessing
from med_maml_pipeline.features.pictures import picture_feature_names
from med_maml_pipeline.sources.cohort import check_columns, group_ids, select_rows, strata_of, tidy_frame
from med_maml_pipeline.sources.delimited import read_frame
from med_maml_pipeline.sources.labels import read_target
from med_maml_pipeline.sources.picture_batches import RefusedPicture, digest_files, prepare_files
from med_maml_pipeline.sources.picture_groups import join_groups
from med_maml_pipeline.sources.picture_paths import PictureFiles, count_unlisted
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema, inside
from med_maml_pipeline.sources.spec import PicturesSource, TableColumns
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.sources.worker_batches import Workers
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, TargetColumn

__all__ = ["MAX_PICTURE_CLASSES", "picture_schema", "read_pictures"]

TABLE = "main"
MAX_PICTURE_CLASSES = 1_000


@dataclass(frozen=True)
class _Listed:
    """What stays in memory of the label table: ``n`` rows, their paths, labels, groups and strata."""

    rows: NDArray[np.int64]
    paths: list[str]
    y: FloatArray
    groups: NDArray[np.object_] | None
    strata: NDArray[np.object_] | None


def read_pictures(name: str, spec: PicturesSource, root: Path) -> Reading:
    """Opens a picture folder. The table is checked at once; pictures are read while parts are consumed.

    The files are read twice: to find exact duplicates, then to decode them, ``options.batch`` at a time in
    ``options.workers`` processes. A part is a batch; rows keep the order of the table.

    Args:
        name: Source name.
        spec: Its configuration.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: the table, a column, the target or a path cannot be used. While parts are read: a picture
            is no JPEG or PNG, is damaged, animated or too large; carries its row number.
    """
    folder = inside(root, spec.path, source=name)
    place = Place(name, f"table '{spec.labels}'")
    columns = _columns(spec)
    raw = read_frame(inside(folder, spec.labels, source=name), place)
    check_columns(raw, columns, place)
    frame, attrition = select_rows(tidy_frame(raw, columns), columns, TABLE, place)
    y, target = read_target(frame[columns.target], columns, place, max_classes=MAX_PICTURE_CLASSES)
    files = PictureFiles(folder, spec.columns.file_pattern, place)
    named = pd.Series(files.resolve(raw[spec.columns.file]), index=raw.index)
    paths = named.loc[frame.index].tolist()
    files.require_usable(paths, frame.index)
    attrition += _unlisted(inside(folder, spec.pictures, source=name), named.tolist(), spec, place)
    listed = _Listed(
        rows=frame.index.to_numpy(dtype=np.int64),
        paths=paths,
        y=y,
        groups=group_ids(frame, columns, "") if columns.group else None,
        strata=strata_of(frame, columns.stratum),
    )
    return Reading(
        schemas=(picture_schema(spec.options, target),),
        parts=_parts(listed, spec.options, attrition, place),
        attrition=attrition,
        group_namespace=name,
    )


def picture_schema(options: PictureOptions, target: TargetColumn) -> TableSchema:
    """Schema of the one table that a source of pictures gives."""
    names = picture_feature_names(options)
    return TableSchema(
        table=TABLE,
        features=names,
        kinds=(FeatureKind.NUMERIC,) * len(names),
        targets=(target,),
        image=(options.channels, options.size, options.size),
        preprocessing=picture_preprocessing(options),
    )


def _columns(spec: PicturesSource) -> TableColumns:
    """The same roles as a table's: so exclusions, groups and targets mean the same in both."""
    declared = spec.columns
    return TableColumns(
        target=declared.target,
        positive=declared.positive,
        group=declared.group,
        stratum=declared.stratum,
        exclude_rows=declared.exclude_rows,
        drop=(declared.file,),
    )


def _unlisted(folder: Path, named: Sequence[str], spec: PicturesSource, place: Place) -> list[AttritionRow]:
    count = count_unlisted(folder, named)
    if count and spec.unlisted == "error":
        raise place.error(
            f"{count} pictures under '{spec.pictures}' are in no row",
            expected="every picture there in the table",
            remedy="add their rows, move them away, or set 'unlisted: ignore' to leave them out",
        )
    step = "pictures that no row names (pictures, not rows)"
    return [AttritionRow(TABLE, step, len(set(named) - {""}), count)] if count else []


def _parts(
    listed: _Listed, options: PictureOptions, attrition: list[AttritionRow], place: Place
) -> Iterator[TablePart]:
    starts = range(0, len(listed.paths), options.batch)
    batches = [listed.paths[start : start + options.batch] for start in starts]
    with Workers(min(options.workers, len(batches)), place) as workers:
        groups = join_groups(listed.groups, _digests(listed, batches, workers, place), listed.y)
        attrition += groups.account(TABLE)
        for start, made in zip(
            starts, workers.map(partial(prepare_files, options=options), batches), strict=True
        ):
            rows = slice(start, start + options.batch)
            if isinstance(made, RefusedPicture):
                raise made.told(listed.rows[rows].tolist(), place)
            strata = None if listed.strata is None else listed.strata[rows]
            yield TablePart(TABLE, made.x, listed.y[rows, None], groups.ids[rows], strata, made.pixels)


def _digests(listed: _Listed, batches: list[list[str]], workers: Workers, place: Place) -> list[bytes]:
    digests: list[bytes] = []
    for found in workers.map(digest_files, batches):
        if isinstance(found, RefusedPicture):
            raise found.told(listed.rows[len(digests) :].tolist(), place)
        digests += found
    return digests
