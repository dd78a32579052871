"""Old versions go, the newest stay, and nothing that is not a version is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from kedro.io.core import Version, generate_timestamp

from med_maml_pipeline.datasets import JsonDataset, SnapshotDataset
from med_maml_pipeline.retention import main, old_versions

STAMPS = [f"2026-01-0{day}T00.00.00.000Z" for day in range(1, 5)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for stamp in STAMPS:
        JsonDataset(str(folder / "06_models" / "model.json"), Version(None, stamp)).save("x" * 100)
        SnapshotDataset(str(folder / "05" / "parts"), Version(None, stamp)).save({"a/b.txt": "x"})
    (folder / "05" / "parts" / "notes").mkdir()
    own = folder / "01_raw" / STAMPS[0]  # a user's folder that only looks like a version
    own.mkdir(parents=True)
    (own / "rows.csv").write_text("x")
    return folder


def test_the_newest_stay(data: Path) -> None:
    outcome = CliRunner().invoke(main, ["--keep", "2", "--data", str(data)])
    assert outcome.exit_code == 0
    assert "freed, 4 versions" in outcome.output
    assert JsonDataset(str(data / "06_models" / "model.json"), Version(None, None)).list_versions(
        full_path=False
    ) == list(reversed(STAMPS[2:]))
    assert sorted(path.name for path in (data / "05" / "parts").iterdir()) == [*STAMPS[2:], "notes"]
    assert (data / "01_raw" / STAMPS[0] / "rows.csv").exists()


def test_a_dry_run_removes_nothing_and_counts_bytes(data: Path) -> None:
    sizes = {old.folder.parent.name: old.size for old in old_versions(data, keep=3)}
    assert sizes["model.json"] == len('"') * 2 + 100 + len("\n")
    before = sorted(data.rglob("*"))
    outcome = CliRunner().invoke(main, ["--keep", "1", "--data", str(data), "--dry-run"])
    assert "would be freed, 6 versions" in outcome.output
    assert sorted(data.rglob("*")) == before


def test_none_can_be_lost_altogether(data: Path) -> None:
    assert CliRunner().invoke(main, ["--keep", "0", "--data", str(data)]).exit_code == 2


def test_the_pattern_is_kedros(tmp_path: Path) -> None:
    for _ in range(2):
        JsonDataset(str(tmp_path / "a.json"), Version(None, generate_timestamp())).save(1)
    assert len(old_versions(tmp_path, keep=1)) == 1
