"""Fixtures that every room may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


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
