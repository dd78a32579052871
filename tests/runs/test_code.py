"""Which files differ between a run and now, and which of them a node can reach."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

from med_maml_pipeline.runs.code import changed_since, code_version, room_of
from med_maml_pipeline.runs.imports import Imports, module_of


def _git(path: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments],
        cwd=path,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project two folders below the root of its repository."""
    project = tmp_path / "work" / "project"
    for name, text in {
        "src/pkg/__init__.py": "",
        "src/pkg/nodes.py": "from pkg.room.tool import use\n",
        "src/pkg/room/__init__.py": "",
        "src/pkg/room/tool.py": "def use():\n    from .late import later\n    return later\n",
        "src/pkg/room/late.py": "later = 1\n",
        "src/pkg/other.py": "",
        "src/pkg/README.md": "x",
        "conf/parameters.yml": "a: 1\n",
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "x")
    return project


def test_uncommitted_committed_and_new_files_count(repository: Path) -> None:
    then = code_version(repository)
    assert changed_since(repository, then) == set()
    (repository / "src/pkg/nodes.py").write_text("y = 2\n")
    _git(repository, "commit", "-qam", "y")
    (repository / "src/pkg/other.py").write_text("z = 3\n")
    (repository / "src/pkg/new.py").write_text("")
    (repository / "src/pkg/README.md").write_text("pages do not count")
    (repository / "conf/parameters.yml").write_text("a: 2\n")
    assert changed_since(repository, then) == {
        "src/pkg/nodes.py",
        "src/pkg/other.py",
        "src/pkg/new.py",
    }


def test_a_run_of_uncommitted_code_is_compared_with_what_it_ran(repository: Path) -> None:
    (repository / "src/pkg/nodes.py").write_text("y = 2\n")
    (repository / "src/pkg/new.py").write_text("n = 1\n")
    then = code_version(repository)
    assert then["dirty"] is True
    assert set(then["changed"]) == {"src/pkg/nodes.py", "src/pkg/new.py"}
    assert changed_since(repository, then) == set()
    _git(repository, "add", ".")
    _git(repository, "commit", "-qm", "the same, committed")
    assert changed_since(repository, then) == set()
    (repository / "src/pkg/new.py").unlink()
    _git(repository, "checkout", "-q", "HEAD~1", "--", "src/pkg/nodes.py")
    assert changed_since(repository, then) == {"src/pkg/new.py", "src/pkg/nodes.py"}


def test_what_cannot_be_told(repository: Path, tmp_path: Path) -> None:
    assert changed_since(repository, {}) is None
    assert changed_since(repository, {"commit": "0" * 40, "dirty": False}) is None


def test_rooms() -> None:
    assert room_of("src/med_maml_pipeline/sources/meds.py") == "sources"
    assert room_of("src/med_maml_pipeline/hooks.py") == "hooks"


def test_imports_are_followed_through_functions_and_packages(repository: Path) -> None:
    found = Imports(repository / "src").reachable(["pkg.nodes"])
    assert {path.as_posix() for path in found} == {
        "pkg/__init__.py",  # of what the module imports
        "pkg/nodes.py",
        "pkg/room/__init__.py",
        "pkg/room/tool.py",
        "pkg/room/late.py",
    }


def test_an_import_by_a_computed_name_stands_for_the_whole_folder(repository: Path) -> None:
    (repository / "src/pkg/room/tool.py").write_text("from importlib import import_module\n")
    (repository / "src/pkg/room/unseen.py").write_text("")
    found = Imports(repository / "src").reachable(["pkg.nodes"])
    assert Path("pkg/room/unseen.py") in found
    assert Path("pkg/other.py") not in found


def test_the_learners_can_be_reached_from_the_node_that_trains() -> None:
    source = Path(__file__).resolve().parents[2] / "src"
    trains = Imports(source).reachable(["med_maml_pipeline.pipelines.meta_training.nodes"])
    reads = Imports(source).reachable(["med_maml_pipeline.pipelines.ingestion.nodes"])
    maml = Path("med_maml_pipeline/learners/maml.py")
    assert maml in trains
    assert maml not in reads
    assert Path("med_maml_pipeline/sources/meds.py") in reads


def test_the_module_of_a_partial_function() -> None:
    assert module_of(functools.partial(functools.partial(room_of, "x"))) == "med_maml_pipeline.runs.code"
