"""All or nothing on disk: write beside the target, flush to the disk, then rename.

A version of a dataset is a folder ``<filepath>/<version>/<name>``. It is built under a hidden name that
Kedro's search for versions does not see, and appears under its own name in one step (``rename`` is atomic on
POSIX): neither a full disk nor an interrupt leaves half a version behind.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kedro.io.core import DatasetError

from med_maml_pipeline.atomic_file import sync
from med_maml_pipeline.errors import MedMamlError

__all__ = ["SaveError", "staged_version"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_EMPTY = {errno.ENOTEMPTY, errno.EEXIST}


class SaveError(MedMamlError, DatasetError):
    """A version could not be written. Nothing half-written is kept; earlier versions are untouched."""


@contextmanager
def staged_version(folder: Path, *, dataset: str) -> Iterator[Path]:
    """Yields a hidden sibling of ``folder`` to write into; on success it becomes ``folder``.

    Args:
        folder: The version's folder, which must not exist.
        dataset: Name of the dataset, for messages.

    Raises:
        SaveError: the version exists, or the disk, the quota or the file-size limit is exhausted.
    """
    if folder.exists():
        raise SaveError(_taken(folder, dataset))
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        partial.mkdir()
        yield partial
        _sync_folders(partial)
        partial.rename(folder)
        sync(folder.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if _means_no_room(error):
            raise SaveError(_no_room(folder.parent, dataset)) from error
        if isinstance(error, OSError) and error.errno in _NOT_EMPTY and folder.exists():
            raise SaveError(_taken(folder, dataset)) from error  # another process was first
        raise


def _taken(folder: Path, dataset: str) -> str:
    return f"dataset '{dataset}' already has version '{folder.name}'; versions are never changed."


def _means_no_room(error: BaseException | None) -> bool:
    """Whether the error, or one it came from, says that nothing more can be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        error = error.__cause__ or error.__context__
    return False


def _no_room(folder: Path, dataset: str) -> str:
    free = shutil.disk_usage(folder).free / 2**20
    return (
        f"dataset '{dataset}' could not be saved: no room left to write ({free:,.0f} MiB free on that disk, "
        "or a quota or file-size limit is reached); nothing half-written was kept and finished stages stay; "
        "free some space, for example by removing old versions under data/, and go on"
    )


def _sync_folders(top: Path) -> None:
    for parent, _, _ in os.walk(top):
        sync(Path(parent))
