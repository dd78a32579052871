"""The notebooks run from top to bottom, whether or not a full run was made before."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from med_maml_pipeline.modalities import MODALITIES

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def _read(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "word"), [("quickstart", "my_assays"), ("personalisation", "missing columns: 'age_years'")]
)
def test_it_runs(name, word):
    notebook = _read(name)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any(word in output.get("text", "") for output in outputs), "the last word was not printed"


def test_personalisation_shows_every_modality():
    shown = [cell["source"] for cell in _read("personalisation").cells if "personalise(" in cell["source"]]
    for modality in MODALITIES:
        assert any(f'modality="{modality}"' in source for source in shown), modality


@pytest.mark.parametrize("name", ["quickstart", "personalisation"])
def test_stored_outputs_hold_no_path_and_no_error(name):
    for cell in _read(name).cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "error"
            assert ".py" not in str(output), "a log or traceback names files of a machine"
