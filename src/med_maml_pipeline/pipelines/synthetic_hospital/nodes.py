"""Thin nodes: settings in, files of a snapshot out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from med_maml_pipeline.datasets.multi_source import SourceSet
from med_maml_pipeline.synthetic import (
    write_ehr,
    write_expression,
    write_imaging,
    write_molecules,
    write_truth,
)
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings

__all__ = ["make_ehr", "make_expression", "make_imaging", "make_molecules", "make_truth"]

Files = Iterable[tuple[str, Any]]


def make_ehr(sources: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Patients as a MEDS export; no file at all where no active source is synthetic."""
    return write_ehr(_settings(settings), seed) if _is_asked_for(sources) else ()


def make_molecules(sources: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Molecules and assays as a SMILES table; no file at all where no active source is synthetic."""
    return write_molecules(_settings(settings), seed) if _is_asked_for(sources) else ()


def make_imaging(sources: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Slides in a folder and scans in shards; no file at all where no active source is synthetic."""
    return write_imaging(_settings(settings), seed) if _is_asked_for(sources) else ()


def make_expression(sources: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Counts of genes as .h5ad; no file at all where no active source is synthetic."""
    return write_expression(_settings(settings), seed) if _is_asked_for(sources) else ()


def make_truth(settings: Mapping[str, Any], seed: int, *sources: SourceSet) -> Files:
    """Diseases, causal features and site effects behind the data. No other stage reads it."""
    return write_truth(_settings(settings), seed) if any(map(_is_asked_for, sources)) else ()


def _is_asked_for(sources: SourceSet) -> bool:
    return any(spec.dataset == "synthetic" for spec in sources.specs.values())


def _settings(settings: Mapping[str, Any]) -> SyntheticHospitalSettings:
    return SyntheticHospitalSettings.model_validate(settings)
