"""Made data show their first rows; snapshots that may hold patients cannot show any."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import Version

from med_maml_pipeline.datasets import SnapshotDataset, SyntheticDataset

LONG = pd.DataFrame(
    {"id": range(50), "time": [datetime(2026, 1, 2, 3, 4)] * 49 + [None], "tags": [["a"]] * 50}
)
SHORT = pd.DataFrame({"code": ["NA"]})


def _saved(folder: Path, files: dict[str, object]) -> SyntheticDataset:
    dataset = SyntheticDataset(str(folder / "made"), Version(None, "1"))
    dataset.save(files)
    return dataset


def test_the_largest_table_is_shown(tmp_path: Path) -> None:
    shown = _saved(tmp_path, {"codes.csv": SHORT, "data/0.parquet": LONG}).preview(nrows=3)
    assert shown["columns"] == ["id", "time", "tags"]
    assert [row[0] for row in shown["data"]] == [0, 1, 2]
    assert shown["data"][0][1].startswith("2026-01-02 03:04")
    assert shown["data"][0][2] == ["a"]
    assert json.loads(json.dumps(shown, allow_nan=False))


def test_cells_of_text_stay_text(tmp_path: Path) -> None:
    files = {"slides/labels.csv": pd.DataFrame({"patient": ["007"], "class": ["NA"]})}
    assert _saved(tmp_path, files).preview()["data"] == [["007", "NA"]]


@pytest.mark.parametrize("files", [{}, {"expression.h5ad": b"12345"}])
def test_without_a_table_its_files_are_listed(tmp_path: Path, files: dict[str, bytes]) -> None:
    shown = _saved(tmp_path, dict(files)).preview()
    assert shown["columns"] == ["file", "bytes"]
    assert shown["data"] == [[name, len(content)] for name, content in files.items()]


def test_kedro_viz_takes_it_for_a_table(tmp_path: Path) -> None:
    from kedro_viz.models.flowchart.node_metadata import DataNodeMetadata
    from kedro_viz.models.flowchart.nodes import GraphNode

    dataset = _saved(tmp_path, {"a.csv": SHORT})
    dataset.metadata = {"kedro-viz": {"layer": "raw"}}
    node = GraphNode.create_data_node("made", "made", "raw", set(), dataset, None)
    metadata = DataNodeMetadata(data_node=node)
    assert metadata.preview_type == "TablePreview"
    assert metadata.preview["columns"] == ["code"]


def test_other_snapshots_have_no_preview_at_all() -> None:
    assert not hasattr(SnapshotDataset, "preview")
