"""An id is given once, whoever asks when; a claim ends with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from project_copy import Project

from med_maml_pipeline.runs.claims import claim_file, claimed_run_id, is_held

STAMP = "2026-12-31T23.59.59.999Z"
NEXT = "2027-01-01T00.00.00.000Z"


def test_the_second_to_ask_gets_the_next_millisecond(tmp_path: Path) -> None:
    with claimed_run_id(tmp_path, STAMP) as first, claimed_run_id(tmp_path, STAMP) as second:
        assert (first, second) == (STAMP, NEXT)
        assert is_held(tmp_path, STAMP) is True
    assert is_held(tmp_path, STAMP) is None
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_has_a_record_is_taken(tmp_path: Path) -> None:
    (tmp_path / f"{STAMP}.json").write_text("{}")
    with claimed_run_id(tmp_path, STAMP) as found:
        assert found == NEXT
    assert [path.name for path in tmp_path.iterdir()] == [f"{STAMP}.json"]


def test_many_at_once_all_get_their_own(tmp_path: Path) -> None:
    ready, found = threading.Barrier(20), []

    def ask() -> None:
        ready.wait()
        with claimed_run_id(tmp_path, STAMP) as run_id:
            found.append(run_id)
            ready.wait()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(set(found)) == 20


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from med_maml_pipeline.runs.claims import claimed_run_id\n"
        "with claimed_run_id(pathlib.Path(sys.argv[1]), sys.argv[2]):\n"
        "    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), STAMP])
    deadline = time.monotonic() + 30
    while not is_held(tmp_path, STAMP) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_held(tmp_path, STAMP) is True
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert claim_file(tmp_path, STAMP).exists()
    assert is_held(tmp_path, STAMP) is False
    with claimed_run_id(tmp_path, STAMP) as again:  # no record, nothing saved: the id is free
        assert again == STAMP


def test_where_nothing_can_be_written_a_run_still_gets_its_id(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with claimed_run_id(tmp_path / "file" / "tracking", STAMP) as found:
        assert found == STAMP


def test_two_runs_of_one_millisecond(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kedro would give both the same id: one record for two runs, and a version that is already there."""
    monkeypatch.setattr("kedro.framework.session.session.generate_timestamp", lambda: STAMP)
    project.run()
    project.run({"training": {"steps": 4}})
    first, second = project.records()
    assert (first["run_id"], second["run_id"]) == (STAMP, NEXT)
    assert set(second["saved"].values()) == {NEXT}
    assert project.versions("06_models/model.json") == [STAMP, NEXT]
    assert not list(project.tracking.glob(".*"))
