"""One file per version: tables, plain data, pages and figures; all but pages with a preview in Kedro-Viz."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import pandas as pd
from kedro_datasets._typing import JSONPreview, PlotlyPreview, TablePreview

from med_maml_pipeline.datasets.atomic import AtomicDataset
from med_maml_pipeline.datasets.contents import Content, read_content, write_file
from med_maml_pipeline.datasets.manifest import sha256_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = [
    "CsvDataset",
    "HtmlDataset",
    "JsonDataset",
    "ParquetDataset",
    "PlotlyDataset",
    "table_preview",
]

_Data = TypeVar("_Data")


class _FileDataset(AtomicDataset[_Data, _Data]):
    """One file in the format of ``_suffix``, whatever the path is called."""

    _suffix: str

    def fingerprint(self) -> str:
        """SHA-256 of the file."""
        return sha256_of(Path(self._get_load_path()))

    def _write(self, data: _Data, path: Path) -> None:
        write_file(cast(Content, data), path, self._suffix)

    def _read(self, path: Path) -> _Data:
        return cast(_Data, read_content(path, self._suffix))


class CsvDataset(_FileDataset[pd.DataFrame]):
    """A DataFrame as CSV, without index. Only empty cells are missing; floats come back bit-identical."""

    _suffix = ".csv"

    def preview(self, nrows: int = 40) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        return table_preview(self.load(), nrows)


class ParquetDataset(_FileDataset[pd.DataFrame]):
    """A DataFrame as Parquet, without index. Cells may hold lists; they come back as arrays."""

    _suffix = ".parquet"

    def preview(self, nrows: int = 40) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        return table_preview(self.load(), nrows)

    def _read(self, path: Path) -> pd.DataFrame:
        return read_content(path, self._suffix).to_pandas()


class JsonDataset(_FileDataset[Any]):
    """Plain data as JSON. NumPy scalars and arrays are written as numbers and lists."""

    _suffix = ".json"

    def preview(self) -> JSONPreview:
        """The whole document, for Kedro-Viz."""
        return JSONPreview(json.dumps(self.load()))


class HtmlDataset(_FileDataset[str]):
    """A self-contained page."""

    _suffix = ".html"


class PlotlyDataset(AtomicDataset["Figure", "Figure"]):
    """A plotly figure as JSON, which Kedro-Viz draws."""

    def preview(self) -> PlotlyPreview:
        """The figure, for Kedro-Viz."""
        return PlotlyPreview(read_content(Path(self._get_load_path()), ".json"))

    def fingerprint(self) -> str:
        """SHA-256 of the file."""
        return sha256_of(Path(self._get_load_path()))

    def _write(self, data: Figure, path: Path) -> None:
        write_file(data.to_json().encode(), path)

    def _read(self, path: Path) -> Figure:
        from plotly.io import from_json

        return from_json(path.read_text(encoding="utf-8"))


def table_preview(table: pd.DataFrame, nrows: int) -> TablePreview:
    """The first ``nrows`` rows as Kedro-Viz takes them: missing cells are None, arrays lists."""
    head = (
        table.head(nrows)
        .map(lambda cell: cell.tolist() if isinstance(cell, np.ndarray) else cell)
        .astype(object)
    )
    return TablePreview(head.where(head.notna(), None).to_dict(orient="split"))
