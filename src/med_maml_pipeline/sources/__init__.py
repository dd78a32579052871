"""Readers: one file per raw format, chosen by the `format` key of a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from med_maml_pipeline.sources.spec import (
    ArraysSource,
    H5adSource,
    HourlySource,
    MatricesSource,
    MedsSource,
    PicturesSource,
    SmilesSource,
    SourceSpec,
    TableSource,
    TablesSource,
)

if TYPE_CHECKING:
    from med_maml_pipeline.sources.reading import Reading

__all__ = ["open_source"]


def open_source(name: str, spec: SourceSpec, root: Path) -> Reading:
    """Opens a source with the reader of its format.

    Readers are imported on use, so that a table source needs neither rdkit nor polars.

    Args:
        name: Name of the source in the configuration; appears in every error.
        spec: Its specification.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: the source cannot be used as it is; says where, what was expected and what to do.
    """
    if isinstance(spec, MedsSource):
        from med_maml_pipeline.sources.meds import read_meds

        return read_meds(name, spec, root)
    if isinstance(spec, TableSource):
        from med_maml_pipeline.sources.table import read_table

        return read_table(name, spec, root)
    if isinstance(spec, TablesSource):
        from med_maml_pipeline.sources.table import read_tables

        return read_tables(name, spec, root)
    if isinstance(spec, HourlySource):
        from med_maml_pipeline.sources.hourly import read_hourly

        return read_hourly(name, spec, root)
    if isinstance(spec, SmilesSource):
        from med_maml_pipeline.sources.smiles import read_smiles

        return read_smiles(name, spec, root)
    if isinstance(spec, PicturesSource):
        from med_maml_pipeline.sources.picture_folder import read_pictures

        return read_pictures(name, spec, root)
    if isinstance(spec, ArraysSource):
        from med_maml_pipeline.sources.picture_arrays import read_arrays

        return read_arrays(name, spec, root)
    if isinstance(spec, H5adSource):
        from med_maml_pipeline.sources.h5ad import read_h5ad

        return read_h5ad(name, spec, root)
    if isinstance(spec, MatricesSource):
        from med_maml_pipeline.sources.expression import read_matrices

        return read_matrices(name, spec, root)
    assert_never(spec)
