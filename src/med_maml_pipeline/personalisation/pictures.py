"""Pictures of a user's folder as the inputs of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import ValidationError

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.pictures import picture_feature_names
from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases, require_columns
from med_maml_pipeline.sources.picture_batches import RefusedPicture, prepare_files
from med_maml_pipeline.sources.picture_paths import PictureFiles
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable

__all__ = ["picture_rows"]


def picture_rows(cases: Cases, schema: InputSchema, path_column: str) -> FeatureTable:
    """Pixels and hand-crafted features of the pictures, made as in meta-training.

    Args:
        cases: A table whose only input is a column of paths, relative to the table's own folder.
        schema: Its preprocessing says how pictures were made.
        path_column: Name of that column.

    Raises:
        DataError: the checkpoint was made with other pictures, columns are missing or too many, a path is
            blank, leaves the folder or leads nowhere, or a picture cannot be used.
    """
    options = _options(schema)
    require_columns(cases, [path_column], "pictures have")
    files = PictureFiles(cases.folder, "{}", cases.place)
    paths = files.resolve(cases.inputs[path_column])
    files.require_usable(paths, cases.inputs.index)
    return _prepared(cases, paths, options)


def _options(schema: InputSchema) -> PictureOptions:
    try:
        options = PictureOptions.model_validate(schema.preprocessing)
    except ValidationError:
        raise _unlike("it does not say how pictures were made") from None
    if schema.image != (options.channels, options.size, options.size):
        raise _unlike("its pictures have another shape than their options give")
    if schema.features is not None and schema.features != picture_feature_names(options):
        raise _unlike("it reads other features of pictures than this version computes")
    return options


def _prepared(cases: Cases, paths: Sequence[str], options: PictureOptions) -> FeatureTable:
    batches = []
    for start in range(0, len(paths), options.batch):
        made = prepare_files(paths[start : start + options.batch], options)
        if isinstance(made, RefusedPicture):
            raise made.told(cases.inputs.index[start:].tolist(), cases.place)
        batches.append(made)
    names = picture_feature_names(options)
    return FeatureTable(
        x=np.concatenate([made.x for made in batches]),
        names=names,
        kinds=(FeatureKind.NUMERIC,) * len(names),
        pixels=np.concatenate([made.pixels for made in batches]),
    )


def _unlike(problem: str) -> DataError:
    return DataError(
        problem,
        source="checkpoint",
        where="preprocessing",
        expected="pictures made as this version makes them",
        remedy="ingest and meta-train again with this version",
    )
