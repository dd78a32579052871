"""A small Kedro project, copied afresh for each test."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project
from project_copy import Project

TINY = Path(__file__).parent / "tiny"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    path = tmp_path / "canary_home" / "tiny"
    shutil.copytree(TINY, path)
    (path / "raw").mkdir()
    (path / "raw" / "canary_file.csv").write_text("num,name\n1,canary_patient\n2,canary_other\n")
    monkeypatch.chdir(path)
    modules = set(sys.modules)
    bootstrap_project(path)
    yield Project(path)
    for name in set(sys.modules) - modules:
        if name.startswith("tiny_project"):
            del sys.modules[name]
