"""Fixtures that every room may use, and the guard that keeps all tests off the network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from network_guard.no_network import refuse_network

REPO = Path(__file__).resolve().parents[1]
_FOLDER = tempfile.TemporaryDirectory(prefix="network-")  # removed at exit
_NETWORK_LOG = Path(_FOLDER.name) / "attempts.log"


def pytest_configure() -> None:
    """Guards this process and, through their environment, the processes that tests start."""
    refuse_network(_NETWORK_LOG)
    os.environ["NETWORK_LOG"] = str(_NETWORK_LOG)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(REPO / "tests" / "network_guard"), os.environ.get("PYTHONPATH")])
    )


def _attempts() -> list[str]:
    return _NETWORK_LOG.read_text().splitlines() if _NETWORK_LOG.exists() else []


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Fails a test that looked up a name or connected elsewhere, even where the error was caught."""
    yield
    attempts = _attempts()  # those of session fixtures too
    _NETWORK_LOG.unlink(missing_ok=True)
    assert attempts == []


def _public_root() -> Path | None:
    candidates = [REPO.parent / "shared" / "data", REPO / "data" / "01_raw" / "public"]
    if configured := os.environ.get("MED_MAML_PUBLIC_DATA"):
        candidates.insert(0, Path(configured))
    return next((path for path in candidates if (path / "molecules").is_dir()), None)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Root of the public development data; skips where it is absent."""
    root = _public_root()
    if root is None:
        pytest.skip("public data absent: set MED_MAML_PUBLIC_DATA")
    return root
