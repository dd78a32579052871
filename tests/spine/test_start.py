"""Starting is quick: no room's heavy libraries are loaded until a node needs them."""

from __future__ import annotations

import re
import subprocess
import sys

from spine_project import SpineProject

HEAVY = ("torch", "rdkit", "matplotlib", "sklearn", "anndata", "captum")


def test_listing_the_pipelines_loads_nothing_heavy(fresh: SpineProject) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kedro", "registry", "list"],
        cwd=fresh.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("- ") >= 8
    loaded = set(re.findall(r"\| +([\w.]+)$", done.stderr, flags=re.MULTILINE))
    assert "med_maml_pipeline.pipelines.meta_training.nodes" in loaded
    assert {name for name in loaded if name.split(".")[0] in HEAVY} == set()
