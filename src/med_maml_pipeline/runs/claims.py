"""One run per id: an id is claimed on disk, and the claim tells a living run from a killed one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: ids are not claimed there
    fcntl = None  # type: ignore[assignment]

__all__ = ["claim_file", "claimed_run_id", "is_held"]

_STAMP = "%Y-%m-%dT%H.%M.%S.%fZ"


def claim_file(folder: Path, run_id: str) -> Path:
    """Where the claim on an id lies while its run lives, and after it was killed."""
    return folder / f".{run_id}.claim"


@contextmanager
def claimed_run_id(folder: Path, wanted: str) -> Iterator[str]:
    """Yields ``wanted``, or the next millisecond that no other run has; nobody else gets it meanwhile.

    Ids are Kedro's time stamps, which two runs started in the same millisecond share: they would write one
    record and compete for one version. The claim is a lock of the operating system on a hidden file, so that
    it ends with its process however that ends. Where locks or writing are impossible, nothing is claimed.

    Args:
        folder: Where the records of runs lie.
        wanted: The id that Kedro drew.
    """
    run_id, descriptor = wanted, None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while (descriptor := _claim(folder, run_id)) is None:
            run_id = _next(run_id)
    except (OSError, ValueError):
        run_id = wanted
    try:
        yield run_id
    finally:
        if descriptor is not None:
            claim_file(folder, run_id).unlink(missing_ok=True)
            os.close(descriptor)


def is_held(folder: Path, run_id: str) -> bool | None:
    """Whether the run lives: True, False for one that was killed, None where it left no claim."""
    claim = claim_file(folder, run_id)
    if fcntl is None or not claim.exists():
        return None
    descriptor = _locked(claim, create=False)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None and claim.exists()


def _claim(folder: Path, run_id: str) -> int | None:
    """An open descriptor that holds the claim; None where the id is taken."""
    if fcntl is None:
        raise OSError("no locks on this system")
    claim = claim_file(folder, run_id)
    descriptor = _locked(claim, create=True)
    if descriptor is not None and (folder / f"{run_id}.json").exists():
        claim.unlink(missing_ok=True)  # that run has ended
        os.close(descriptor)
        return None
    return descriptor


def _locked(path: Path, *, create: bool) -> int | None:
    """Opens and locks the file without waiting; None where another holds it or has just removed it."""
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _next(run_id: str) -> str:
    after = datetime.strptime(run_id, _STAMP) + timedelta(milliseconds=1)
    return f"{after:%Y-%m-%dT%H.%M.%S}.{after.microsecond // 1000:03d}Z"
