"""Sources by configuration: what is wrong is said with the source, the key and the likely spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.framework.context.context import _convert_paths_to_absolute_posix
from kedro.io import DataCatalog
from kedro.io.core import DatasetError

from med_maml_pipeline.datasets import MultiSourceDataset
from med_maml_pipeline.errors import ConfigurationError, DataError

HEART: dict[str, Any] = {
    "format": "table",
    "path": "heart/rows.csv",
    "columns": {"target": "num", "target_type": "class"},
    "tasks": [{"family": "site", "kind": "stratum", "target": "num"}],
}
BROKEN = {"format": "table", "no": "columns"}


def _dataset(entry: object, root: str = "data", active: tuple[str, ...] = ("heart",)) -> MultiSourceDataset:
    return MultiSourceDataset(root, {"heart": entry, "unused": BROKEN}, list(active), "ehr", path="/project")


def test_only_active_sources_are_read_and_checked() -> None:
    sources = _dataset(HEART).load()
    assert sources.modality == "ehr"
    assert sources.root == Path("/project/data")
    assert list(sources.specs) == ["heart"]
    assert sources.specs["heart"].path == "heart/rows.csv"
    assert dict(_dataset(HEART, active=()).load().specs) == {}


def test_an_absolute_root_is_kept() -> None:
    assert _dataset(HEART, root="/elsewhere").load().root == Path("/elsewhere")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {**HEART, "columns": {**HEART["columns"], "misssing": ["?"]}},
            r"source 'heart': unknown key 'table\.columns\.misssing'; did you mean 'missing'\?",
        ),
        ({**HEART, "pth": "x"}, r"unknown key 'table\.pth'; did you mean 'path'\?"),
        ({**HEART, "format": "tabel"}, r"source 'heart': .*'tabel'.*'table'"),
        ({k: v for k, v in HEART.items() if k != "columns"}, r"key 'table\.columns' is missing"),
        ({**HEART, "tasks": []}, r"source 'heart': key 'table\.tasks'"),
        (None, r"source 'heart': .*dictionary"),
        ("heart.csv", r"source 'heart': .*dictionary"),
    ],
)
def test_a_wrong_entry_is_named(entry: object, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        _dataset(entry).load()
    assert "\n" not in str(caught.value)


def test_an_unknown_or_repeated_active_source_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'hart' is not configured; did you mean 'heart'?"):
        _dataset(HEART, active=("hart",)).load()
    with pytest.raises(ConfigurationError, match="known are: heart, unused"):
        _dataset(HEART, active=("zzz",)).load()
    with pytest.raises(ConfigurationError, match="'heart' more than once"):
        _dataset(HEART, active=("heart", "heart")).load()


def test_through_a_catalog_as_kedro_prepares_it(tmp_path: Path) -> None:
    """Kedro makes every relative ``path`` absolute, those of sources included; errors pass through whole."""
    (tmp_path / "raw" / "heart").mkdir(parents=True)
    (tmp_path / "raw" / "heart" / "rows.csv").write_text("num\n1\n")
    entry = {
        "type": "med_maml_pipeline.datasets.MultiSourceDataset",
        "path": ".",
        "root": "raw",
        "modality": "ehr",
        "active_sources": ["heart"],
        "sources": {"heart": dict(HEART)},
    }
    config = _convert_paths_to_absolute_posix(tmp_path, {"ehr_sources": entry})
    assert config["ehr_sources"]["sources"]["heart"]["path"].startswith("/")  # the trap
    catalog = DataCatalog.from_config(config)
    sources = catalog.load("ehr_sources")
    assert sources.specs["heart"].path == "heart/rows.csv"
    assert sources.fingerprints()["heart"].files == 1
    assert catalog.exists("ehr_sources")


def test_a_path_that_leaves_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.csv").write_text("x")
    entry = {**HEART, "path": str(tmp_path / ".." / tmp_path.name / "secret.csv")}
    dataset = MultiSourceDataset("data", {"heart": entry}, ["heart"], "ehr", path=str(tmp_path))
    with pytest.raises(DataError, match="leaves its folder"):
        dataset.load().fingerprints()


def test_a_fingerprint_counts_files_and_hides_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "heart"
    folder.mkdir(parents=True)
    (folder / "canary_name.csv").write_text("12345")
    (folder / "b.csv").write_text("678")
    dataset = MultiSourceDataset(
        "data", {"heart": {**HEART, "path": "heart"}}, ["heart"], "ehr", path=str(tmp_path)
    )
    before = dataset.load().fingerprints()["heart"]
    assert (before.files, before.size) == (2, 8)
    assert "canary" not in repr(before)
    (folder / "b.csv").write_text("679")
    assert dataset.load().fingerprints()["heart"].sha256 != before.sha256


def test_a_synthetic_source_has_no_external_fingerprint() -> None:
    assert _dataset({**HEART, "dataset": "synthetic"}).load().fingerprints() == {}


def test_the_description_holds_no_paths() -> None:
    text = repr(_dataset({**HEART, "path": "canary/rows.csv"}))
    assert "heart" in text
    assert "table" in text
    assert "canary" not in text
    assert "project" not in text


def test_sources_are_never_written() -> None:
    with pytest.raises(DatasetError, match="never written"):
        _dataset(HEART).save("x")
