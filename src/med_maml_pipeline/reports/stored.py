"""Evidence as files, so that the report of all kinds of data reads one dataset of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from med_maml_pipeline.reports.evidence import Evidence

__all__ = ["evidence_files", "evidence_from"]

_TABLES = {
    "tasks": "tasks.parquet",  # its cells hold lists
    "attrition": "attrition.csv",
    "audit": "audit.csv",
    "selection": "selection.csv",
}
_FIGURES = "figures/"
_GALLERY = "gallery.json"


def evidence_files(evidence: Evidence) -> Iterator[tuple[str, Any]]:
    """Relative path and content of each file: tables, and figures as plotly writes them.

    Args:
        evidence: Its modality is not stored: the dataset's name says it.
    """
    for field, file in _TABLES.items():
        yield file, getattr(evidence, field)
    for name, figure in evidence.figures.items():
        yield f"{_FIGURES}{name}.json", figure.to_json().encode()
    if evidence.gallery is not None:
        yield _GALLERY, evidence.gallery.to_json().encode()


def evidence_from(modality: str, names: tuple[str, ...], read: Callable[[str], Any]) -> Evidence:
    """The evidence that `evidence_files` wrote.

    Args:
        modality: Whose it is.
        names: The files there are.
        read: Content of a file: DataFrame for .csv, pyarrow Table for .parquet, plain data for .json.
    """
    import plotly.graph_objects as go

    figures = {
        name.removeprefix(_FIGURES).removesuffix(".json"): go.Figure(read(name))
        for name in names
        if name.startswith(_FIGURES)
    }
    tables = {field: read(file) for field, file in _TABLES.items()}
    tables["tasks"] = tables["tasks"].to_pandas()
    gallery = go.Figure(read(_GALLERY)) if _GALLERY in names else None
    return Evidence(modality, figures, **tables, gallery=gallery)
