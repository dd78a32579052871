"""CSV, TSV (also gzipped) and Parquet files as frames of raw cells, indexed by row number."""

from __future__ import annotations

import csv
import gzip
import warnings
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from med_maml_pipeline.sources.place import Place

__all__ = ["SEPARATORS", "read_frame"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_PARQUET = {".parquet", ".pq"}


def read_frame(path: Path, place: Place) -> pd.DataFrame:
    """Reads a table without interpreting its cells: only the empty one is missing.

    pandas' own list of missing markers is off: it would turn the level ``None`` of a category into a gap.

    Args:
        path: ``.csv``, ``.tsv``, ``.txt`` (tab-separated), each also ``.gz``; or ``.parquet``.
        place: For errors.

    Returns:
        The rows, indexed by their number in the file (first data row = 1). Text for delimited files, the
        stored types for Parquet.

    Raises:
        DataError: unknown suffix, damaged file, no header, repeated column names, ragged or no rows.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _PARQUET:
        frame = _parquet(path, place)
    elif suffix in SEPARATORS:
        frame = _delimited(path, SEPARATORS[suffix], place)
    else:
        raise place.error(
            "the file's suffix names no known table format",
            expected=".csv, .tsv, .txt (each also .gz) or .parquet",
            remedy="rename or convert the file",
        )
    if frame.empty:
        raise place.error("the table has no rows", expected="a header and at least one row")
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _parquet(path: Path, place: Place) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise place.error("the file is not readable Parquet", expected="a whole Parquet file") from None
    _require_distinct(table.column_names, place)
    return table.to_pandas(ignore_metadata=True)


def _delimited(path: Path, separator: str, place: Place) -> pd.DataFrame:
    try:
        opener = gzip.open if path.suffix.lower() == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines, delimiter=separator), [])
        _require_distinct(header, place)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a longer row would be cut in silence
            return pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                index_col=False,
                encoding="utf-8-sig",
            )
    except UnicodeDecodeError:
        raise place.error("the file is not UTF-8 text", remedy="convert it to UTF-8") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error):
        raise place.error(
            "some rows have more cells than the header",
            expected="as many cells per row as column names",
            remedy="quote cells that hold the separator",
        ) from None
    except (OSError, EOFError, zlib.error, pd.errors.EmptyDataError):
        raise place.error("the file is empty or damaged", expected="a header and rows") from None


def _require_distinct(header: list[str], place: Place) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise place.error(
            f"{len(repeated)} column names occur more than once: {', '.join(map(repr, repeated[:5]))}",
            expected="distinct column names",
            remedy="rename the columns",
        )
