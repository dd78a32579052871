"""The three Parquet files of one outcome in the YAIB layout, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import inside
from med_maml_pipeline.sources.spec import HourlyOutcome

__all__ = ["ELAPSED", "HOUR", "LABEL", "OutcomeFiles", "open_outcome"]

ELAPSED = (
    "elapsed"  # integer milliseconds since admission: polars' division by 3,600,000 would miss whole hours
)
HOUR = 3_600_000
LABEL = "label"
_TIME = "time"


@dataclass(frozen=True)
class OutcomeFiles:
    """One outcome's files; the hourly one is read on demand.

    Attributes:
        static: One row per stay.
        labels: Stay, ``label`` float64, and ``elapsed`` (milliseconds) where labels are hourly.
        variables: Hourly variables, in file order.
        dynamic: Path of the hourly file.
        id: Column of the stay.
        place: For errors.
    """

    static: pl.DataFrame
    labels: pl.DataFrame
    variables: tuple[str, ...]
    dynamic: Path
    id: str
    place: Place

    @property
    def hourly_labels(self) -> bool:
        """Whether there is a label per hour rather than one per stay."""
        return ELAPSED in self.labels.columns

    def hours(self, variables: tuple[str, ...]) -> pl.DataFrame:
        """Stay, ``elapsed`` and the variables, one row per stay and hour."""
        place = self.place.within("file 'dyn.parquet'")
        frame = _with_elapsed(_read(self.dynamic, place).select(self.id, _TIME, *variables), place)
        _require_unique(frame, [self.id, ELAPSED], place)
        return frame


def open_outcome(folder: Path, outcome: HourlyOutcome, stay: str, place: Place) -> OutcomeFiles:
    """Opens ``sta``, ``dyn`` and ``outc`` of an outcome.

    Raises:
        DataError: a file is missing or damaged, a column is missing or of another type, stays repeat.
    """
    paths = {
        part: inside(folder, f"{outcome.folder}/{part}.parquet", source=place.source)
        for part in ("sta", "dyn", "outc")
    }
    static = _require(_read(paths["sta"], place.within("file 'sta.parquet'")), [stay], place)
    _require_unique(static, [stay], place.within("file 'sta.parquet'"))
    labels = _labels(_read(paths["outc"], place.within("file 'outc.parquet'")), stay, place)
    schema = _schema(paths["dyn"], place.within("file 'dyn.parquet'"))
    if missing := [column for column in (stay, _TIME) if column not in schema]:
        raise _absent(missing, place.within("file 'dyn.parquet'"))
    variables = tuple(column for column in schema if column not in (stay, _TIME))
    if text := [
        column for column in variables if not (schema[column].is_numeric() or schema[column] == pl.Boolean)
    ]:
        raise place.within("file 'dyn.parquet'").error(
            f"{len(text)} hourly variables are not numeric, such as '{text[0]}'", expected="numbers"
        )
    return OutcomeFiles(static, labels, variables, paths["dyn"], stay, place)


def _labels(frame: pl.DataFrame, stay: str, place: Place) -> pl.DataFrame:
    place = place.within("file 'outc.parquet'")
    _require(frame, [stay, LABEL], place)
    if not (frame[LABEL].dtype.is_numeric() or frame[LABEL].dtype == pl.Boolean):
        raise place.error("the column 'label' is not numeric", expected="0 and 1, booleans or numbers")
    frame = frame.with_columns(pl.col(LABEL).cast(pl.Float64).fill_nan(None))
    if missing := frame[LABEL].null_count():
        raise place.error(
            f"the label is missing (NaN) in {missing} of {len(frame)} rows",
            expected="a label in every row",
            remedy="leave those rows out of the file",
        )
    keys = [stay]
    if _TIME in frame.columns:
        frame = _with_elapsed(frame, place)
        keys.append(ELAPSED)
    _require_unique(frame, keys, place)
    return frame.select(*keys, LABEL)


def _with_elapsed(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    """Durations since admission in milliseconds; a bare number is refused, for its unit is a guess."""
    if frame[_TIME].dtype != pl.Duration:
        raise place.error(
            f"the column '{_TIME}' is of type {frame[_TIME].dtype}",
            expected="a duration since admission (timedelta)",
            remedy="write it as a Parquet duration",
        )
    return frame.with_columns(pl.col(_TIME).dt.total_milliseconds().alias(ELAPSED)).drop(_TIME)


def _read(path: Path, place: Place) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise place.error("the file is not readable Parquet", expected="a whole Parquet file") from None


def _schema(path: Path, place: Place) -> dict[str, pl.DataType]:
    try:
        return dict(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError):
        raise place.error("the file is not readable Parquet", expected="a whole Parquet file") from None


def _require(frame: pl.DataFrame, columns: list[str], place: Place) -> pl.DataFrame:
    if missing := [column for column in columns if column not in frame.columns]:
        raise _absent(missing, place)
    if nulls := frame[columns[0]].null_count():
        raise place.error(f"{nulls} rows lack the column '{columns[0]}'", expected="a stay in every row")
    return frame


def _absent(missing: list[str], place: Place) -> Exception:
    listed = ", ".join(f"'{column}'" for column in missing)
    return place.error(
        f"the column {listed} is absent", expected="the YAIB layout", remedy="check 'id' and the file"
    )


def _require_unique(frame: pl.DataFrame, keys: list[str], place: Place) -> None:
    if repeated := len(frame) - frame.select(keys).n_unique():
        raise place.error(
            f"{repeated} rows repeat an identifier ({' and '.join(keys)})",
            expected="one row per " + " and ".join(keys),
            remedy="remove the repeats",
        )
