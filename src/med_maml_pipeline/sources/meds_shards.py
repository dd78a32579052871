"""MEDS 0.4 shards: found, read one at a time, and held to the standard's promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from meds import birth_code, data_subdirectory
from numpy.typing import NDArray

from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import inside

__all__ = ["MedsShards"]

_COLUMNS = ("subject_id", "time", "code", "numeric_value")
_IDS_AT_ONCE = 2_000_000  # 16 MB of subject identifiers


@dataclass(frozen=True)
class MedsShards:
    """The shards of a MEDS 0.4 data set, in the order of their paths.

    Reference: MEDS schema 0.4 (``meds.DataSchema``): events of a subject are contiguous, in one shard, sorted
    by time with static (null) times first.

    Attributes:
        paths: The shard files. Their names are never printed: they may identify patients.
        place: For errors.
    """

    paths: tuple[Path, ...]
    place: Place

    @classmethod
    def find(cls, root: Path, relative: str, *, source: str) -> MedsShards:
        """Finds ``data/**/*.parquet`` under the configured path.

        Raises:
            DataError: the folder is missing, leaves the root, or holds no shard.
        """
        place = Place(source, f"path '{relative}'")
        folder = inside(root, relative, source=source)
        found = sorted((folder / data_subdirectory).glob("**/*.parquet"))
        if leaving := sum(not path.resolve().is_relative_to(folder) for path in found):
            raise place.error(
                f"{leaving} shards are links that leave their folder",
                expected="shards under the configured path",
                remedy="copy them there",
            )
        if not found:
            raise place.error(
                f"no Parquet shard under the folder '{data_subdirectory}'",
                expected="a MEDS 0.4 export: data/**/*.parquet",
                remedy="check the path",
            )
        return cls(tuple(found), place)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Shards one at a time: ``subject_id``, ``time``, ``code``, ``numeric_value``; no text is read.

        Raises:
            DataError: a shard is damaged or a column is missing or of another type.
        """
        for number, path in enumerate(self.paths, start=1):
            yield self._read(path, self._at(number))

    def checked(self) -> Iterator[pl.DataFrame]:
        """As iteration, after holding each shard, and at the end all of them, to MEDS's promises.

        Raises:
            DataError: missing subjects or codes, a subject in pieces or in two shards, unsorted times, events
                before birth. Carries file and row numbers and counts.
        """
        ranges: list[tuple[int, int, int]] = []
        for number, shard in enumerate(self, start=1):
            if len(shard):
                _check_shard(shard, self._at(number))
                ids = shard["subject_id"]
                ranges.append((int(ids.min()), int(ids.max()), number))  # type: ignore[arg-type]
            yield shard
        self._check_one_shard_per_subject(ranges)

    def _at(self, number: int) -> Place:
        return self.place.within(f"shard {number} of {len(self.paths)}")

    def _read(self, path: Path, place: Place) -> pl.DataFrame:
        try:
            schema = pq.read_schema(path)
            _check_types(schema, place)
            table = pq.read_table(path, columns=[name for name in _COLUMNS if name in schema.names])
        except (pa.ArrowException, OSError):
            raise place.error("the shard is not readable Parquet", expected="a whole Parquet file") from None
        shard = pl.DataFrame(table)
        if "numeric_value" not in shard.columns:
            shard = shard.with_columns(numeric_value=pl.lit(None, dtype=pl.Float32))
        return shard.with_columns(pl.col("code").cast(pl.String), pl.col("numeric_value").fill_nan(None))

    def _check_one_shard_per_subject(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        """Exact, in bounded memory: shards whose ranges overlap are read again, in slices of subjects."""
        low, high, number = np.array(sorted(ranges), dtype=np.int64).reshape(-1, 3).T
        before = low[1:] <= np.maximum.accumulate(high)[:-1]  # reaches back into some earlier range
        after = low[1:] <= high[:-1]  # is reached by the next one
        overlapping = (
            number[np.append(False, before) | np.append(after, False)] if len(low) > 1 else number[:0]
        )
        if not len(overlapping):
            return
        rows = sum(pq.read_metadata(self.paths[one - 1]).num_rows for one in overlapping)
        slices = rows // _IDS_AT_ONCE + 1
        for slice_number in range(slices):
            repeated = self._repeated_subjects(overlapping, slice_number, slices)
            if repeated:
                raise self.place.error(
                    f"{repeated} subjects have events in more than one shard",
                    expected="all events of a subject in one shard",
                    remedy="write the export again with one shard per subject",
                )

    def _repeated_subjects(self, numbers: NDArray[np.int64], slice_number: int, slices: int) -> int:
        kept: list[NDArray[np.int64]] = []
        for number in numbers:
            ids = (
                pq.read_table(self.paths[number - 1], columns=["subject_id"])["subject_id"]
                .unique()
                .to_numpy()
            )
            kept.append(ids[ids % slices == slice_number])
        together = np.concatenate(kept)
        return len(together) - len(np.unique(together))


def _check_types(schema: pa.Schema, place: Place) -> None:
    accepted = {
        "subject_id": (pa.int64(),),
        "time": (pa.timestamp("us"),),
        "code": (pa.string(), pa.large_string()),
        "numeric_value": (pa.float32(),),
    }
    for name, types in accepted.items():
        if name not in schema.names:
            if name == "numeric_value":
                continue
            raise place.error(
                f"the column '{name}' is absent", expected="the columns of MEDS 0.4", remedy="export it again"
            )
        found = schema.field(name).type
        if found not in types:
            raise place.error(
                f"the column '{name}' has the type {found}",
                expected=f"{types[0]} as in MEDS 0.4",
                remedy="cast the column when exporting",
            )


def _check_shard(shard: pl.DataFrame, place: Place) -> None:
    for name in ("subject_id", "code"):
        _refuse(shard[name].is_null(), f"rows lack the column '{name}'", "a value in every row", place)
    subject, time = pl.col("subject_id"), pl.col("time")
    same = subject == subject.shift(1)
    starts = shard.filter((~same).fill_null(True))["subject_id"]
    _refuse(
        shard.select(
            first=(~same).fill_null(True) & subject.is_in(starts.filter(starts.is_duplicated()).implode())
        )["first"],
        "runs of events belong to subjects whose events are not contiguous",
        "the events of a subject next to each other",
        place,
    )
    backwards = same & ((time < time.shift(1)) | (time.is_null() & time.shift(1).is_not_null()))
    _refuse(
        shard.select(late=backwards.fill_null(False))["late"],
        "events come before an earlier row of the same subject (unsorted times)",
        "times in ascending order per subject, static events first",
        place,
    )
    born = time.filter(pl.col("code") == birth_code).min().over("subject_id")
    _refuse(
        shard.select(early=(time < born).fill_null(False))["early"],
        "events lie before the subject's birth",
        "birth before all timed events",
        place,
    )


def _refuse(bad: pl.Series, what: str, expected: str, place: Place) -> None:
    if count := int(bad.sum() or 0):
        row = int(bad.arg_true()[0]) + 1
        raise place.error(
            f"{count} {what}, first in row {row}", expected=expected, remedy="correct or sort the export"
        )
