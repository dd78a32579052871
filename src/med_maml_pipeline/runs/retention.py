"""What may be removed below the data folder: old versions, and what killed runs left half-written."""

from __future__ import annotations

import re
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from med_maml_pipeline.runs.claims import is_held

__all__ = ["Removable", "abandoned_states", "leftovers", "old_versions"]

_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")  # Kedro's time stamp
_PARTIAL = re.compile(r"\.(?P<target>.+)\.partial-(?P<process>\d+)")
_ABANDONED_SECONDS = 7 * 24 * 3600.0
_CLAIM = re.compile(r"\.(?P<run_id>.+)\.claim")


@dataclass(frozen=True)
class Removable:
    """A file or folder that may go: its path, size in bytes, and the dataset (or folder) it belongs to."""

    path: Path
    size: int

    @property
    def dataset(self) -> Path:
        """Folder of the dataset."""
        return self.path.parent

    def remove(self) -> None:
        """Removes it."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def old_versions(data: Path, keep: int) -> list[Removable]:
    """Every version but the newest ``keep`` of each dataset below ``data``, oldest first per dataset.

    Args:
        data: The data folder. Only folders ``<name>/<version>/<name>`` whose version is a time stamp of Kedro
            are considered; whatever else lies there is left alone.
        keep: How many to keep, at least one.
    """
    found: defaultdict[Path, list[Path]] = defaultdict(list)
    for folder in _version_folders(data):
        found[folder.parent].append(folder)
    return [
        Removable(folder, _size(folder))
        for dataset in sorted(found)
        for folder in sorted(found[dataset])[:-keep]
    ]


def leftovers(data: Path, tracking: Path) -> list[Removable]:
    """What saves of killed processes left half-written, and claims of killed runs.

    A living run holds the claim on its id (see `claims`), in whatever container it runs. What has no claim, a
    save from a notebook for instance, is left alone while a process of its number lives here.

    Args:
        data: The data folder.
        tracking: Where the records of runs lie.
    """
    partial = [path for path in data.rglob(".*.partial-*") if _is_dead(path.name, tracking)]
    claims = [path for path in tracking.glob(".*.claim") if _is_dead_claim(path.name, tracking)]
    return [Removable(path, _size(path)) for path in sorted(partial) + sorted(claims)]


def abandoned_states(data: Path) -> list[Removable]:
    """States of unfinished meta-trainings that nothing has been added to for a week.

    Args:
        data: The data folder; states lie at ``00_state/<workspace>/<node>/<fingerprint>/``.
    """
    before = time.time() - _ABANDONED_SECONDS
    states = (folder for folder in data.glob("00_state/*/*/*") if folder.is_dir())
    return [Removable(folder, _size(folder)) for folder in sorted(states) if folder.stat().st_mtime < before]


def _is_dead(name: str, tracking: Path) -> bool:
    match = _PARTIAL.fullmatch(name)
    if match is None:
        return False
    stamp = _VERSION.match(match["target"])
    held = is_held(tracking, stamp[0]) if stamp else None
    return not (psutil.pid_exists(int(match["process"])) if held is None else held)


def _is_dead_claim(name: str, tracking: Path) -> bool:
    match = _CLAIM.fullmatch(name)
    return match is not None and is_held(tracking, match["run_id"]) is False


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _version_folders(data: Path) -> Iterator[Path]:
    for folder in data.rglob("*Z"):
        if (
            _VERSION.fullmatch(folder.name)
            and (folder / folder.parent.name).exists()
            and not folder.is_symlink()
        ):
            yield folder
