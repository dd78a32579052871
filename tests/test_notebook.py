"""The quickstart runs from top to bottom, whether or not a full run was made before."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


@pytest.fixture
def quickstart() -> NotebookNode:
    return nbformat.read(FOLDER / "quickstart.ipynb", as_version=4)


@pytest.mark.slow
def test_quickstart_runs(quickstart):
    NotebookClient(quickstart, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in quickstart.cells for output in cell.get("outputs", ())]
    assert any("my_assays" in output.get("text", "") for output in outputs), "no verdict was printed"


def test_stored_outputs_hold_no_path_and_no_error(quickstart):
    for cell in quickstart.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "error"
            assert ".py" not in str(output), "a log or traceback names files of a machine"
