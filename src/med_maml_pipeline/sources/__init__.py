"""Readers: one file per raw format, chosen by the `format` key of a source."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from med_maml_pipeline.sources.spec import SourceSpec

if TYPE_CHECKING:
    from med_maml_pipeline.sources.reading import Reader, Reading

__all__ = ["READERS", "open_source"]

READERS: dict[str, str] = {
    "meds": "meds:read_meds",
    "table": "table:read_table",
    "tables": "table:read_tables",
    "hourly": "hourly:read_hourly",
    "smiles": "smiles:read_smiles",
    "pictures": "picture_folder:read_pictures",
    "npz": "picture_arrays:read_arrays",
    "h5ad": "h5ad:read_h5ad",
    "expression": "expression:read_matrices",
}
"""Format to ``module:function`` within this package."""


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
    module, _, function = READERS[spec.format].partition(":")
    reader: Reader = getattr(import_module(f"{__name__}.{module}"), function)
    return reader(name, spec, root)
