"""Runs of the whole path, made once per test session and shared between its processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from own_sources import own_sources
from spine_project import Outcome, SpineProject, made_once


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one test session know."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def whole_run(shared_folder: Path) -> tuple[SpineProject, Outcome]:
    """``kedro run`` on the tiny embedded hospital. Not to be changed: take a copy."""

    def make(path: Path) -> tuple[SpineProject, Outcome]:
        project = SpineProject.fresh(path)
        return project, project.run()

    return made_once(shared_folder, "whole_run", make)


@pytest.fixture(scope="session")
def finished(whole_run: tuple[SpineProject, Outcome]) -> SpineProject:
    """The project after that run."""
    project, outcome = whole_run
    assert outcome.code == 0, outcome.output
    return project


@pytest.fixture(scope="session")
def own_run(shared_folder: Path) -> tuple[SpineProject, Outcome]:
    """``kedro run`` on sources that a user added in YAML alone; canaries are planted in their data."""

    def make(path: Path) -> tuple[SpineProject, Outcome]:
        project = own_sources(SpineProject.fresh(path, env="mine"))
        return project, project.run()

    return made_once(shared_folder, "own_run", make)


@pytest.fixture
def fresh(tmp_path: Path) -> SpineProject:
    """A project without data."""
    return SpineProject.fresh(tmp_path / "project")


@pytest.fixture
def copy(finished: SpineProject, tmp_path: Path) -> SpineProject:
    """The finished project, to be changed."""
    return finished.copied(tmp_path / "project")
