"""A delimited table of SMILES and assay cells, streamed: header checks, chunks of rows, cells as numbers."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["AssayTable"]

BLOCK_BYTES = 4 << 20
ROWS_PER_CHUNK = 1024


@dataclass(frozen=True)
class AssayTable:
    """A CSV or TSV file (also ``.gz``) whose header has been read and checked.

    Rows are numbered from 1, the header not counted.

    Attributes:
        source: Source name, for messages.
        path: The file.
        where: The configured path, for messages.
        header: Column names, all different.
    """

    source: str
    path: Path
    where: str
    header: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, *, source: str, where: str) -> AssayTable:
        """Reads the header.

        Raises:
            DataError: not a readable text table, empty, or column names repeat.
        """
        table = cls(source, path, where, ())
        try:
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
                header = tuple(next(csv.reader(lines, delimiter=table._delimiter), ()))
        except (OSError, EOFError, UnicodeDecodeError, csv.Error):
            raise table._unreadable() from None
        if not header:
            raise table.error("the file is empty", expected="a header line with column names")
        repeated = sorted(name for name, count in Counter(header).items() if count > 1)
        if repeated:
            raise table.error(
                f"{len(repeated)} column names occur more than once, the first is '{repeated[0]}'",
                expected="every column name once",
                remedy="rename or remove the copies",
            )
        return cls(source, path, where, header)

    def error(self, problem: str, *, expected: str = "", remedy: str = "") -> DataError:
        """A `DataError` that names this table."""
        return DataError(
            problem, source=self.source, where=f"path '{self.where}'", expected=expected, remedy=remedy
        )

    def text(self, column: str) -> Iterator[list[str]]:
        """One column as text, in chunks of rows."""
        for _, batch in self._batches((column,), pa.string()):
            yield batch.column(0).to_pylist()

    def numbers(self, columns: Sequence[str], *, binary: bool) -> Iterator[FloatArray]:
        """Assay cells ``[rows, len(columns)]`` in chunks of rows, NaN where blank.

        Raises:
            DataError: a cell is neither blank nor a finite number (0 or 1 if ``binary``).
        """
        for start, batch in self._batches(columns, pa.dictionary(pa.int32(), pa.string())):
            y = np.empty((batch.num_rows, len(columns)), dtype=np.float32)
            for place, name in enumerate(columns):
                cells = batch.column(place)
                values = [_number(text, binary) for text in cells.dictionary.to_pylist()]
                y[:, place] = np.array(values, dtype=np.float32)[cells.indices.to_numpy()]
                wrong = np.flatnonzero(np.isinf(y[:, place]))
                if len(wrong):
                    raise self._bad_cell(name, start + int(wrong[0]) + 1, binary)
            yield y

    @property
    def _delimiter(self) -> str:
        return "\t" if ".tsv" in self.path.suffixes else ","

    def _batches(self, columns: Sequence[str], kind: pa.DataType) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Row offset and at most `ROWS_PER_CHUNK` rows of some columns."""
        ragged: list[int] = []

        def note(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row.number)
            return "error"

        start = 0
        try:
            with arrow_csv.open_csv(
                self.path,
                # One thread, so that row numbers are known.
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=list(self.header), skip_rows=1
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=note),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(columns), column_types=dict.fromkeys(columns, kind)
                ),
            ) as reader:
                for block in reader:
                    for offset in range(0, block.num_rows, ROWS_PER_CHUNK):
                        batch = block.slice(offset, ROWS_PER_CHUNK)
                        yield start, batch
                        start += batch.num_rows
        except (pa.ArrowInvalid, OSError):
            # Arrow's own message quotes the row.
            raise (self._ragged_row(ragged[0]) if ragged else self._unreadable()) from None

    def _unreadable(self) -> DataError:
        return self.error(
            "the file cannot be read as text", expected="a UTF-8 CSV or TSV table, plain or .gz"
        )

    def _ragged_row(self, number: int) -> DataError:
        return self.error(
            f"row {number - 1} has more or fewer cells than the header",
            expected=f"{len(self.header)} cells in every row",
        )

    def _bad_cell(self, column: str, row: int, binary: bool) -> DataError:
        return self.error(
            f"a cell of column '{column}' (row {row}) is not a valid assay result",
            expected="0, 1 or blank" if binary else "a finite number or blank",
            remedy="correct the cell, or list the column under 'drop' if it is not an assay",
        )


def _number(text: str, binary: bool) -> float:
    """Value of a cell; NaN if blank, infinity if invalid."""
    text = text.strip()
    if not text:
        return np.nan
    try:
        value = float(text)
    except ValueError:
        return np.inf
    valid = value in (0.0, 1.0) if binary else abs(value) <= np.finfo(np.float32).max
    return value if valid else np.inf
