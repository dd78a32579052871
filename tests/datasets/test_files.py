"""Single-file datasets: what comes back, what Kedro-Viz sees, which version is read."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DataCatalog
from kedro.io.core import DatasetError, Version

from med_maml_pipeline.datasets import CsvDataset, HtmlDataset, JsonDataset, ParquetDataset, PlotlyDataset
from med_maml_pipeline.datasets.atomic import AtomicDataset
from med_maml_pipeline.datasets.staging import SaveError

FRAME = pd.DataFrame({"name": ["NA", "None", "x,y"], "value": [0.1, np.nan, 1 / 3], "n": [1, 2, 3]})


@pytest.mark.parametrize("kind", [CsvDataset, ParquetDataset])
def test_a_table_comes_back_to_the_last_bit(tmp_path: Path, kind: type[AtomicDataset]) -> None:
    dataset = kind(str(tmp_path / "table"), Version(None, "1"))
    dataset.save(FRAME)
    pd.testing.assert_frame_equal(dataset.load(), FRAME, check_exact=True)


def test_parquet_keeps_lists_in_cells(tmp_path: Path) -> None:
    dataset = ParquetDataset(str(tmp_path / "pools.parquet"), Version(None, "1"))
    dataset.save(pd.DataFrame({"rows": [[1, 2], [3]]}))
    assert [list(rows) for rows in dataset.load()["rows"]] == [[1, 2], [3]]


def test_json_takes_numpy_numbers_and_arrays(tmp_path: Path) -> None:
    dataset = JsonDataset(str(tmp_path / "facts.json"), Version(None, "1"))
    dataset.save({"a": np.float32(0.5), "b": np.arange(3), "c": "é"})
    assert dataset.load() == {"a": 0.5, "b": [0, 1, 2], "c": "é"}


def test_a_page_and_a_figure_come_back(tmp_path: Path) -> None:
    page = HtmlDataset(str(tmp_path / "page.html"), Version(None, "1"))
    page.save("<p>µ</p>\r\n")
    assert page.load() == "<p>µ</p>\r\n"
    figure = PlotlyDataset(str(tmp_path / "figure.json"), Version(None, "1"))
    figure.save(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])))
    assert list(figure.load().data[0].y) == [3, 4]


@pytest.mark.parametrize(
    ("dataset", "content", "annotation"),
    [
        (CsvDataset, FRAME, "TablePreview"),
        (ParquetDataset, pd.DataFrame({"rows": [[1], [2]]}), "TablePreview"),
        (JsonDataset, {"a": 1}, "JSONPreview"),
        (PlotlyDataset, go.Figure(go.Scatter(x=[1], y=[2])), "PlotlyPreview"),
    ],
)
def test_kedro_viz_previews(
    tmp_path: Path, dataset: type[AtomicDataset], content: object, annotation: str
) -> None:
    """Kedro-Viz tells the kind of preview by the name of the return annotation and sends it as JSON."""
    one = dataset(str(tmp_path / "x"), Version(None, "1"))
    one.save(content)
    declared = inspect.signature(one.preview).return_annotation
    assert getattr(declared, "__name__", str(declared)) == annotation
    assert json.loads(json.dumps(one.preview(), allow_nan=False))


def test_kedro_viz_reads_our_preview_through_its_own_model(tmp_path: Path) -> None:
    from kedro_viz.models.flowchart.node_metadata import DataNodeMetadata
    from kedro_viz.models.flowchart.nodes import GraphNode

    figure = PlotlyDataset(
        str(tmp_path / "f.json"), Version(None, "1"), metadata={"kedro-viz": {"layer": "reporting"}}
    )
    figure.save(go.Figure(go.Scatter(x=[1], y=[2])))
    node = GraphNode.create_data_node(
        dataset_id="f",
        dataset_name="f",
        layer="reporting",
        tags=set(),
        dataset=figure,
        modular_pipelines=None,
    )
    metadata = DataNodeMetadata(data_node=node)
    assert metadata.preview_type == "PlotlyPreview"
    assert metadata.preview["data"][0]["y"] == [2]


def test_a_run_reads_what_it_wrote_even_when_another_finishes_in_between(tmp_path: Path) -> None:
    config = {
        "model": {
            "type": "med_maml_pipeline.datasets.JsonDataset",
            "filepath": str(tmp_path / "model.json"),
            "versioned": True,
        }
    }
    ours = DataCatalog.from_config(config, save_version="2026-01-01T00.00.00.000Z")
    theirs = DataCatalog.from_config(config, save_version="2026-01-02T00.00.00.000Z")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Kedro warns where the version read is not the version written
        theirs.save("model", "theirs")
        ours.save("model", "ours")
    ours.release("model")  # the runner does so between nodes
    assert ours.load("model") == "ours"
    assert theirs.load("model") == "theirs"
    assert DataCatalog.from_config(config).load("model") == "theirs"


def test_a_pinned_version_does_not_flow_downstream_of_a_node_that_makes_it_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "model.json")
    JsonDataset(path, Version(None, "1")).save("old")
    pinned = JsonDataset(path, Version("1", "2"))
    assert pinned.load() == "old"
    pinned.save("new")
    assert pinned.load() == "new"


def test_versions_are_never_overwritten(tmp_path: Path) -> None:
    dataset = JsonDataset(str(tmp_path / "a.json"), Version(None, "1"))
    dataset.save(1)
    with pytest.raises(SaveError, match="already has version '1'"):
        dataset.save(2)
    assert dataset.load() == 1
    assert dataset.list_versions(full_path=False) == ["1"]


def test_without_a_session_each_save_draws_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kedro wraps ``save`` once per level of inheritance, and each wrapper would draw a time stamp."""
    stamps = iter("1234")
    monkeypatch.setattr("kedro.io.core.generate_timestamp", lambda: next(stamps))
    dataset = CsvDataset(str(tmp_path / "a.csv"), Version(None, None))
    for expected in "12":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            dataset.save(FRAME)
        assert dataset.resolve_load_version() == dataset.resolve_save_version() == expected


def test_an_unversioned_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="needs 'versioned: true'"):
        JsonDataset(str(tmp_path / "a.json"))


def test_a_fingerprint_depends_on_content_alone(tmp_path: Path) -> None:
    first, again, other = (CsvDataset(str(tmp_path / name), Version(None, name)) for name in "abc")
    first.save(FRAME)
    again.save(FRAME.copy())
    other.save(FRAME.assign(n=0))
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
