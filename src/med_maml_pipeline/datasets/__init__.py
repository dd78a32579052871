"""Kedro datasets for formats that Kedro lacks: snapshots, atomic files, and the sources of a modality."""

from med_maml_pipeline.datasets.files import (
    CsvDataset,
    HtmlDataset,
    JsonDataset,
    ParquetDataset,
    PlotlyDataset,
)
from med_maml_pipeline.datasets.multi_source import MultiSourceDataset, SourceSet
from med_maml_pipeline.datasets.snapshot import Parts, Snapshot, SnapshotDataset
from med_maml_pipeline.datasets.synthetic import SyntheticDataset
from med_maml_pipeline.datasets.user_file import UserFileDataset

__all__ = [
    "CsvDataset",
    "HtmlDataset",
    "JsonDataset",
    "MultiSourceDataset",
    "ParquetDataset",
    "Parts",
    "PlotlyDataset",
    "Snapshot",
    "SnapshotDataset",
    "SourceSet",
    "SyntheticDataset",
    "UserFileDataset",
]
