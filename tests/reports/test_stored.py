"""Evidence that went through a snapshot on disk gives the same report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import Version
from plotly.io import from_json

from med_maml_pipeline.datasets import SnapshotDataset
from med_maml_pipeline.reports import Evidence, render_report
from med_maml_pipeline.reports.stored import evidence_files, evidence_from


def _through_the_disk(evidence: Evidence, folder: Path) -> Evidence:
    dataset = SnapshotDataset(str(folder / evidence.modality), Version(None, "1"))
    dataset.save(evidence_files(evidence))
    stored = dataset.load()
    return evidence_from(evidence.modality, stored.names(), stored.read)


def _as_loaded(evidence: Evidence) -> Evidence:
    """With figures in the order that JSON gives them, as the node reads them."""
    figures = {name: from_json(figure.to_json()) for name, figure in evidence.figures.items()}
    gallery = evidence.gallery and from_json(evidence.gallery.to_json())
    return replace(evidence, figures=figures, gallery=gallery)


@pytest.mark.parametrize("modality", ["ehr", "imaging"])
def test_the_report_is_the_same_byte_for_byte(reported, modality, tmp_path):
    one = reported[modality]
    evidence = _as_loaded(one.evidence())
    back = _through_the_disk(evidence, tmp_path)
    assert list(back.figures) == list(evidence.figures)
    for table in ("tasks", "attrition", "audit", "selection"):
        assert len(getattr(back, table)) == len(getattr(evidence, table)) > 0
    assert render_report(one.scoreboard, [back], {}) == render_report(one.scoreboard, [evidence], {})


def test_sources_called_na_and_blank_cells_survive(tmp_path):
    attrition = pd.DataFrame({"source": ["NA"], "table": [None], "step": ["read"], "kept": [3], "lost": [0]})
    table = pd.DataFrame({"n": [1]})
    back = _through_the_disk(Evidence("ehr", {}, table, attrition, table, table), tmp_path)
    assert back.attrition["source"].tolist() == ["NA"]
    assert back.attrition["table"].isna().all()
    assert back.figures == {}
    assert back.gallery is None
