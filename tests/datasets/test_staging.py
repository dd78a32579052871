"""A save that fails or is interrupted leaves nothing behind, and says why in one sentence."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from kedro.io.core import Version

from med_maml_pipeline.atomic_file import replaced_file
from med_maml_pipeline.datasets import CsvDataset, JsonDataset, ParquetDataset, SnapshotDataset
from med_maml_pipeline.datasets.contents import _HashingFile
from med_maml_pipeline.datasets.staging import SaveError, staged_version

BIG = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50_000)})


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file takes 100 kB, then the disk is full."""
    write = _HashingFile.write

    def limited(self: _HashingFile, data: bytes) -> int:
        if self.written > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, memoryview(data)[:60_000])

    monkeypatch.setattr(_HashingFile, "write", limited)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (CsvDataset, BIG),
        (ParquetDataset, BIG),
        (JsonDataset, list(range(50_000))),
        (SnapshotDataset, {"small.txt": "x", "big.parquet": pa.Table.from_pandas(BIG)}),
        (SnapshotDataset, {"weights.safetensors": {"w": np.zeros(100_000)}}),
    ],
)
def test_a_full_disk_leaves_the_earlier_version_the_latest(
    tmp_path: Path, kind: type, content: object
) -> None:
    path = str(tmp_path / "out")
    small = {"small.txt": "x"} if kind is SnapshotDataset else pd.DataFrame({"x": [1]})
    kind(path, Version(None, "1")).save([1] if kind is JsonDataset else small)
    before = _files(tmp_path)
    dataset = kind(path, Version(None, "2"))
    with pytest.raises(
        SaveError, match=r"'out' could not be saved: no room left .* MiB free .* free some space"
    ):
        dataset.save(content)
    assert _files(tmp_path) == before
    assert kind(path, Version(None, None)).resolve_load_version() == "1"


def test_a_real_limit_of_the_operating_system(tmp_path: Path) -> None:
    """The same with the kernel refusing to write, not a patched method."""
    code = (
        "import resource, sys, numpy as np, pyarrow as pa\n"
        "from kedro.io.core import Version\n"
        "from med_maml_pipeline.datasets import SnapshotDataset\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
        "table = pa.table({'x': np.random.default_rng(0).normal(size=100_000)})\n"
        "try:\n"
        "    SnapshotDataset(sys.argv[1], Version(None, '1')).save({'a.txt': 'x', 'b.parquet': table})\n"
        "except Exception as error:\n"
        "    sys.exit(f'{type(error).__name__}: {error}')\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "snap")], capture_output=True, text=True, check=False
    )
    assert done.stderr.startswith("SaveError: dataset 'snap' could not be saved: no room left")
    assert _files(tmp_path) == []
    assert list((tmp_path / "snap").iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no")])
def test_an_interrupt_between_two_files_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def parts() -> Iterator[tuple[str, str]]:
        yield "a.txt", "a"
        raise error

    dataset = SnapshotDataset(str(tmp_path / "snap"), Version(None, "1"))
    with pytest.raises((KeyboardInterrupt, Exception)):
        dataset.save(parts())
    assert _files(tmp_path) == []
    assert not dataset.exists()


def test_a_half_written_version_is_never_seen(tmp_path: Path) -> None:
    """While a save goes on, other readers find the earlier version."""
    path = str(tmp_path / "snap")
    SnapshotDataset(path, Version(None, "1")).save({"a.txt": "old"})
    seen = []

    def parts() -> Iterator[tuple[str, str]]:
        yield "a.txt", "new"
        seen.append(SnapshotDataset(path, Version(None, None)).load().read("a.txt"))
        yield "b.txt", "new"

    SnapshotDataset(path, Version(None, "2")).save(parts())
    assert seen == ["old"]
    assert SnapshotDataset(path, Version(None, None)).load().read("a.txt") == "new"


def test_replacing_a_file_is_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    target.write_text("old")

    def fail() -> None:
        with replaced_file(target) as partial:
            partial.write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert target.read_text() == "old"
    assert _files(tmp_path) == ["record.json"]


def test_the_slower_of_two_processes_that_save_one_version_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "model.json" / "2026-01-01T00.00.00.000Z"

    def save_slowly() -> None:
        with staged_version(folder, dataset="model") as partial:
            (partial / "model.json").write_text("slow")
            folder.mkdir()
            (folder / "model.json").write_text("fast")

    with pytest.raises(SaveError, match="already has version"):
        save_slowly()
    assert (folder / "model.json").read_text() == "fast"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
