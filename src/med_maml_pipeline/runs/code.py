"""Which files of the code differ between a run and now, uncommitted changes included."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["SOURCE", "changed_since", "code_version", "room_of"]

SOURCE = "src"
"""Folder of the code, relative to the project."""

_ABSENT = ""


def code_version(project: Path) -> dict[str, Any]:
    """Commit and whether the tree differs from it; then also in which files of the code, with digests.

    Empty where there is no git or no repository.
    """
    try:
        commit = _git(project, "rev-parse", "HEAD")
        dirty = bool(_git(project, "status", "--porcelain"))
        changed = {name: _digest(project / name) for name in _differing(project, commit)} if dirty else {}
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": dirty} | ({"changed": changed} if dirty else {})


def changed_since(project: Path, code: Mapping[str, Any]) -> set[str] | None:
    """Files of the code that are not what they were in a run.

    Args:
        project: Folder of the project.
        code: What `code_version` gave in that run.

    Returns:
        Paths relative to the project; None where that cannot be told: no git, or the commit is not there.
    """
    if "commit" not in code:
        return None
    then: Mapping[str, str] = code.get("changed", {})
    try:
        differing = _differing(project, str(code["commit"]))
    except (OSError, subprocess.CalledProcessError):
        return None
    uncommitted = {name for name, digest in then.items() if _digest(project / name) != digest}
    return (differing - then.keys()) | uncommitted


def room_of(file: str) -> str:
    """The room that a file of the code belongs to: ``sources`` of ``src/package/sources/meds.py``."""
    inside = Path(file).parts[2:]
    return Path(inside[0]).stem if inside else Path(file).name


def _differing(project: Path, commit: str) -> set[str]:
    """Files of the code that differ from a commit, new ones included; pages of documentation do not count."""
    tracked = _git(project, "diff", "--name-only", "--relative", "-z", commit, "--", SOURCE)
    new = _git(project, "ls-files", "--others", "--exclude-standard", "-z", "--", SOURCE)
    return {name for name in f"{tracked}\0{new}".split("\0") if name and not name.endswith(".md")}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else _ABSENT


def _git(project: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    return done.stdout.strip()
