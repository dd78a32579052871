"""Old versions and what killed runs left go; the newest stay, and nothing else is touched."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from kedro.io.core import Version, generate_timestamp

from med_maml_pipeline.datasets import JsonDataset, SnapshotDataset
from med_maml_pipeline.runs.claims import claim_file, claimed_run_id
from med_maml_pipeline.runs.retention import abandoned_states, leftovers, old_versions

STAMPS = [f"2026-01-0{day}T00.00.00.000Z" for day in range(1, 5)]
NOBODY = 2**22 + 1  # above Linux's largest process number


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
    (folder / "09_tracking").mkdir()
    return folder


def _half_written(data: Path, stamp: str, process: int) -> Path:
    folder = data / "06_models" / "model.json" / f".{stamp}.partial-{process}"
    folder.mkdir()
    (folder / "model.json").write_text("12345")
    return folder


def test_the_newest_stay(data: Path) -> None:
    old = old_versions(data, keep=2)
    assert [one.path.name for one in old] == STAMPS[:2] * 2
    assert {one.dataset for one in old} == {data / "05" / "parts", data / "06_models" / "model.json"}
    for one in old:
        one.remove()
    assert JsonDataset(str(data / "06_models" / "model.json"), Version(None, None)).list_versions(
        full_path=False
    ) == list(reversed(STAMPS[2:]))
    assert sorted(path.name for path in (data / "05" / "parts").iterdir()) == [*STAMPS[2:], "notes"]
    assert (data / "01_raw" / STAMPS[0] / "rows.csv").exists()


def test_bytes_are_counted(data: Path) -> None:
    sizes = {old.dataset.name: old.size for old in old_versions(data, keep=3)}
    assert sizes["model.json"] == len('"') * 2 + 100 + len("\n")


def test_the_pattern_is_kedros(tmp_path: Path) -> None:
    for _ in range(2):
        JsonDataset(str(tmp_path / "a.json"), Version(None, generate_timestamp())).save(1)
    assert len(old_versions(tmp_path, keep=1)) == 1


def test_what_a_killed_run_left_goes_and_what_a_living_one_writes_stays(data: Path) -> None:
    tracking = data / "09_tracking"
    killed, living, notebook = (f"2026-02-0{day}T00.00.00.000Z" for day in range(1, 4))
    dead = _half_written(data, killed, os.getpid())  # the number is in use again: the claim decides
    claim_file(tracking, killed).touch()
    record = tracking / f".{killed}.json.partial-{NOBODY}"
    record.write_text("{")
    _half_written(data, notebook, os.getpid())  # no claim, and the process lives
    orphan = _half_written(data, STAMPS[0], NOBODY)
    _half_written(data, living, NOBODY)  # its number means nothing here: it runs in another container
    with claimed_run_id(tracking, living):
        found = leftovers(data, tracking)
    assert {one.path for one in found} == {dead, record, orphan, claim_file(tracking, killed)}
    assert {one.path: one.size for one in found}[dead] == 5
    for one in found:
        one.remove()
    assert {path.name for path in data.rglob(".*")} == {
        f".{notebook}.partial-{os.getpid()}",
        f".{living}.partial-{NOBODY}",
    }


def test_meta_trainings_that_nobody_went_on_with_for_a_week_go(data: Path) -> None:
    node = data / "00_state" / "embedded" / "ehr.maml.meta_train"
    for name in ("old", "new"):
        (node / name).mkdir(parents=True)
        (node / name / "training.safetensors").write_text("123")
    week_ago = time.time() - 7 * 24 * 3600 - 60
    os.utime(node / "old", (week_ago, week_ago))
    (found,) = abandoned_states(data)
    assert (found.path, found.size) == (node / "old", 3)
    found.remove()
    assert [path.name for path in node.iterdir()] == ["new"]
