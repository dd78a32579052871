"""A user's support and query as rows that a checkpoint reads, by kind of data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.described_inputs import Inputs, InputSchema
from med_maml_pipeline.personalisation.cases import Cases, require_disjoint
from med_maml_pipeline.personalisation.columns import free_columns, named_columns
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, ImageShape

__all__ = ["Prepared", "choose_schema", "prepare", "read_cases"]


@dataclass(frozen=True)
class Prepared:
    """Rows as learners take them.

    Attributes:
        support: ``[n, f]`` float32, NaN where missing.
        query: ``[q, f]``, in the order of the query table.
        kinds: ``f`` kinds.
        image: Shape of the picture in the first columns; None where there is none.
    """

    support: FloatArray
    query: FloatArray
    kinds: tuple[FeatureKind, ...]
    image: ImageShape | None = None


def read_cases(
    support: Path, query: Path, modality: str, settings: PersonalisationSettings
) -> tuple[Cases, Cases]:
    """Both tables, checked for what holds for every kind of data.

    Raises:
        DataError: a table, an identifier or a label cannot be used, or a case is in both tables.
    """

    def read(path: Path, role: str, label: str | None) -> Cases:
        if modality == "expression" and path.suffix.lower() == ".h5ad":
            from med_maml_pipeline.personalisation.expression import read_h5ad_cases

            return read_h5ad_cases(path, role, id_column=settings.id_column, label_column=label)
        return Cases.read(path, role, id_column=settings.id_column, label_column=label)

    labelled, asked = read(support, "support", settings.label_column), read(query, "query", None)
    require_disjoint(labelled, asked)
    return labelled, asked


def choose_schema(inputs: Inputs, table: str | None) -> InputSchema:
    """How to prepare the rows: as the tables of meta-training were, or as one of them where they differ.

    Raises:
        ConfigurationError: the table is unknown, or is needed and not named.
    """
    tables = [name for schema in inputs.schemas for name in schema.tables]
    if table is not None and table not in tables:
        raise ConfigurationError(
            f"personalisation.table '{table}' is not a table of meta-training; known are: {', '.join(tables)}"
        )
    if table is None and len(inputs.schemas) > 1:
        raise ConfigurationError(
            f"the tables of meta-training were prepared in {len(inputs.schemas)} different ways; say which "
            f"one your data are like with --params personalisation.table=NAME, one of: {', '.join(tables)}"
        )
    return next(schema for schema in inputs.schemas if table is None or table in schema.tables)


def prepare(
    support: Cases, query: Cases, inputs: Inputs, schema: InputSchema, settings: PersonalisationSettings
) -> Prepared:
    """The rows of both tables, made as those of meta-training.

    Raises:
        DataError: the tables do not fit what the checkpoint reads.
    """
    if inputs.modality == "molecules":
        from med_maml_pipeline.features.molecules import feature_kinds
        from med_maml_pipeline.personalisation.molecules import molecule_rows

        return Prepared(
            molecule_rows(support, schema, settings.smiles_column),
            molecule_rows(query, schema, settings.smiles_column),
            feature_kinds(schema.preprocessing["fingerprint_bits"]),
        )
    if inputs.modality == "imaging":
        return _pictures(support, query, schema, settings.path_column)
    x_support, x_query, kinds = _columns(support, query, schema)
    if inputs.modality == "expression":
        from med_maml_pipeline.personalisation.expression import scaled_rows

        x_support, x_query = scaled_rows(support, x_support, schema), scaled_rows(query, x_query, schema)
    return Prepared(x_support, x_query, kinds)


def _pictures(support: Cases, query: Cases, schema: InputSchema, path_column: str) -> Prepared:
    from med_maml_pipeline.personalisation.pictures import picture_rows

    seen, asked = (picture_rows(cases, schema, path_column) for cases in (support, query))
    return Prepared(
        seen.rows(np.arange(len(seen))), asked.rows(np.arange(len(asked))), seen.all_kinds, seen.image
    )


def _columns(
    support: Cases, query: Cases, schema: InputSchema
) -> tuple[FloatArray, FloatArray, tuple[FeatureKind, ...]]:
    if schema.features is None or schema.kinds is None:
        x_support, x_query, names = free_columns(support, query)
        return x_support, x_query, (FeatureKind.NUMERIC,) * len(names)
    return named_columns(support, schema), named_columns(query, schema), schema.kinds
