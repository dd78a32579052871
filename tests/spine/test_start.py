"""Starting is quick: no room's heavy libraries are loaded until a node needs them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from spine_project import SpineProject

HEAVY = ("torch", "rdkit", "matplotlib", "sklearn", "anndata", "skimage", "captum")


def _loaded(project: SpineProject, *arguments: str) -> tuple[str, set[str]]:
    """What a command prints, and the modules that it loads."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kedro", *arguments],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr, set(re.findall(r"\| +([\w.]+)$", done.stderr, flags=re.MULTILINE))


def test_listing_the_pipelines_loads_nothing_heavy(fresh: SpineProject) -> None:
    output, loaded = _loaded(fresh, "registry", "list")
    assert output.count("- ") >= 8
    assert "med_maml_pipeline.pipelines.meta_training.nodes" in loaded
    assert {name for name in loaded if name.split(".")[0] in HEAVY} == set()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("scoreboard", "--env", "test"), "Error: dataset 'scoreboard' has no version 'latest'"),
        (("lineage", "--env", "test", "report"), "Error: dataset 'report' has no version 'latest'"),
        (("stale", "--env", "test"), "No dataset has a version yet."),
        (("rerun", "latest"), "Error: there is no record of a run 'latest'"),
        (("prune", "--keep", "1"), "Freed"),
    ],
)
def test_the_projects_commands_load_nothing_heavy(
    fresh: SpineProject, arguments: tuple[str, ...], answer: str
) -> None:
    output, loaded = _loaded(fresh, *arguments)
    assert answer in output
    assert {name for name in loaded if name.split(".")[0] in HEAVY} == set()
