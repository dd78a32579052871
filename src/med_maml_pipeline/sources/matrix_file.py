"""A delimited matrix on disk: its header, its columns of text, its block of numbers."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.sources.delimited import SEPARATORS
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["MatrixFile"]

BLOCK_BYTES = 32 << 20  # a row must fit: half a million probes do


@dataclass(frozen=True)
class MatrixFile:
    """A delimited file with many columns of numbers. Columns go by position: names may still repeat.

    Attributes:
        path: The file.
        place: For errors.
        separator: Between cells.
        header: Names of the columns as they stand in the file.
        missing: Markers of a missing cell beside the empty one.
    """

    path: Path
    place: Place
    separator: str
    header: tuple[str, ...]
    missing: tuple[str | int | float, ...] = ()

    @classmethod
    def open(cls, path: Path, place: Place, missing: tuple[str | int | float, ...] = ()) -> MatrixFile:
        """Reads the header.

        Raises:
            DataError: unknown suffix, damaged or empty file, text that is not UTF-8.
        """
        suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
        separator = SEPARATORS.get(suffixes[-1]) if suffixes else None
        if separator is None:
            raise place.error(
                "the file's suffix names no delimited format",
                expected=".csv, .tsv or .txt (each also .gz)",
                remedy="rename or convert the file",
            )
        try:
            opener = gzip.open if path.suffix.lower() == ".gz" else open
            with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
                csv.field_size_limit(BLOCK_BYTES)
                header = tuple(next(csv.reader(lines, delimiter=separator), []))
        except UnicodeDecodeError:
            raise _not_utf8(place) from None
        except (OSError, EOFError, zlib.error, csv.Error):
            raise _damaged(place) from None
        if not header:
            raise _damaged(place)
        return cls(path, place, separator, header, missing)

    def text(self, columns: Sequence[int]) -> pd.DataFrame:
        """Cells of the columns at these positions as text, None where empty; indexed by row number from 1.

        Raises:
            DataError: damaged file, rows of unequal length, no row.
        """
        table = self._read(columns, pa.string(), ("",))
        frame = pd.DataFrame({number: table.column(str(number)).to_pandas() for number in columns})
        frame.index = pd.RangeIndex(1, len(frame) + 1)
        return frame

    def numbers(self, columns: Sequence[int]) -> FloatArray:
        """Cells of the columns at these positions, ``[n, g]`` float32, NaN where missing.

        Raises:
            DataError: as `text`; cells that are no numbers (column, count and first row).
        """
        markers = ("", *(str(marker) for marker in self.missing))
        try:
            table = self._read(columns, pa.float32(), markers)
        except pa.ArrowInvalid:
            raise self._no_numbers(columns) from None
        x = np.empty((len(table), len(columns)), dtype=np.float32)
        for at, number in enumerate(columns):
            x[:, at] = table.column(str(number)).to_numpy()
        if np.isnan(x).sum() > sum(table.column(str(number)).null_count for number in columns):
            raise self._no_numbers(columns)  # the text "nan", which nobody declared
        values = [float(marker) for marker in self.missing if not isinstance(marker, str)]
        x[np.isin(x, np.array(values, dtype=np.float32))] = np.nan
        return x

    def _read(self, columns: Sequence[int], kind: pa.DataType, missing: Sequence[str]) -> pa.Table:
        names = [str(number) for number in columns]
        read = pa_csv.ReadOptions(
            column_names=[str(number) for number in range(len(self.header))],
            skip_rows_after_names=1,
            block_size=BLOCK_BYTES,
        )
        convert = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, kind),
            include_columns=names,
            null_values=list(missing),
            strings_can_be_null=True,
        )
        parse = pa_csv.ParseOptions(delimiter=self.separator, newlines_in_values=True)
        try:
            table = pa_csv.read_csv(
                self.path, read_options=read, parse_options=parse, convert_options=convert
            )
        except (pa.ArrowInvalid, OSError, EOFError) as error:
            self._explain(error)
            raise
        if not len(table):
            raise self.place.error("the matrix has no samples", expected="a header and a row per sample")
        return table

    def _explain(self, error: Exception) -> None:
        """Raises what a failure of Arrow means; returns where a cell could not be converted."""
        said = str(error)  # may hold cells: never shown
        if not isinstance(error, pa.ArrowInvalid) or "Empty CSV" in said:
            raise _damaged(self.place) from None
        if "UTF8" in said:
            raise _not_utf8(self.place) from None
        if "conversion error" not in said:
            raise self.place.error(
                f"some rows have more or fewer cells than the {len(self.header)} columns of the header",
                expected="as many cells in each row as columns in the header",
                remedy="give every column a name, quote cells that hold the separator, or repair the file",
            ) from None

    def _no_numbers(self, columns: Sequence[int]) -> DataError:
        """Finds the cells that are no numbers: they are read again, as text."""
        text = self.text(columns)
        markers = {str(marker) for marker in self.missing}
        bad = np.zeros(text.shape, dtype=np.bool_)
        for at, number in enumerate(columns):
            cells = text[number]
            values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
            bad[:, at] = ~np.isfinite(values) & (cells.notna() & ~cells.isin(markers)).to_numpy()
        hit = np.flatnonzero(bad.any(axis=0))
        where = ""
        if len(hit):
            gene, row = self.header[columns[hit[0]]], text.index[bad[:, hit[0]]][0]
            where = f", first in column '{gene}', row {row}"
        return self.place.error(
            f"{int(bad.sum())} cells in {len(hit)} gene columns are no numbers{where}",
            expected="finite numbers in every column without another role",
            remedy="list columns that are no genes under 'drop', or declare the markers of missing cells "
            "under 'missing'",
        )


def _damaged(place: Place) -> DataError:
    return place.error("the file is empty or damaged", expected="a header and a row per sample")


def _not_utf8(place: Place) -> DataError:
    return place.error("the file is not UTF-8 text", remedy="convert it to UTF-8")
