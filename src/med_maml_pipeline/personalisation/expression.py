"""Expression samples of a user's table as the inputs of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.features.expression import scale_samples
from med_maml_pipeline.learners.described_inputs import InputSchema
from med_maml_pipeline.personalisation.cases import Cases, split_cases
from med_maml_pipeline.sources.expression_values import check_values
from med_maml_pipeline.sources.h5ad import read_whole
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.spec_expression import ExpressionScale
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["read_h5ad_cases", "scaled_rows"]


def read_h5ad_cases(path: Path, role: str, *, id_column: str, label_column: str | None) -> Cases:
    """A small .h5ad file as a table: genes from ``X``, identifiers and labels from ``obs``.

    Identifiers are the names of the observations where ``obs`` has no column of that name.

    Raises:
        DataError: as `Cases.read` and `read_whole`.
    """
    place = Place("personalisation", f"{role} table")
    obs, genes, x = read_whole(path, place)
    if not len(obs):
        raise place.error("the table has no rows", expected="at least one sample")
    frame = pd.DataFrame(x, columns=list(genes), index=pd.RangeIndex(1, len(obs) + 1))
    frame[id_column] = obs.get(id_column, pd.Series(obs.index)).astype(object).to_numpy()
    if label_column is not None and label_column in obs:
        frame[label_column] = obs[label_column].astype(object).to_numpy()
    return split_cases(frame, place, path.parent, id_column=id_column, label_column=label_column)


def scaled_rows(cases: Cases, x: FloatArray, schema: InputSchema) -> FloatArray:
    """Samples ``[n, g]`` brought to the scale of the checkpoint, each by itself.

    Raises:
        DataError: the values are not of the kind that the checkpoint was trained on (negative counts, for
            instance), or the checkpoint does not say how to scale.
    """
    try:
        scale = ExpressionScale.model_validate(schema.preprocessing)
    except ValidationError:
        raise DataError(
            "it does not say how expression values were scaled",
            source="checkpoint",
            where="preprocessing",
            remedy="ingest and meta-train again with this version",
        ) from None
    check_values(x, cases.inputs.index.to_numpy(dtype=np.int64), scale, cases.place)
    return scale_samples(x, scale)
