"""What the generator makes: a snapshot that, unlike those of patients, shows its first rows in Kedro-Viz."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
from kedro_datasets._typing import TablePreview

from med_maml_pipeline.datasets.files import table_preview
from med_maml_pipeline.datasets.snapshot import Snapshot, SnapshotDataset

__all__ = ["SyntheticDataset"]


class SyntheticDataset(SnapshotDataset):
    """A `SnapshotDataset` for made data only: no entry that can hold a patient may be of this type.

    That is why row-level tables are previewed by type and not by a switch in the configuration, which every
    environment would inherit.
    """

    def preview(self, nrows: int = 10) -> TablePreview:
        """The first rows of its largest table; where it holds none, its files and their sizes in bytes."""
        return table_preview(_first_rows(self.load(), nrows), nrows)


def _first_rows(snapshot: Snapshot, nrows: int) -> pd.DataFrame:
    tables = [entry for entry in snapshot.manifest.entries if entry.path.endswith((".csv", ".parquet"))]
    if not tables:
        files = [(entry.path, entry.size) for entry in snapshot.manifest.entries]
        return pd.DataFrame(files, columns=["file", "bytes"])
    path = snapshot.path(max(tables, key=lambda entry: entry.size).path)
    if path.suffix == ".csv":
        return pd.read_csv(path, nrows=nrows, dtype=str, keep_default_na=False, na_values=[""])
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=nrows), None)
    return pd.DataFrame() if batch is None else _as_shown(batch.to_pandas())


def _as_shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Times as text: a preview travels as JSON."""
    times = rows.select_dtypes(["datetime", "datetimetz"]).columns
    return rows.assign(**{column: rows[column].astype("string") for column in times})
