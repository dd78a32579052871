"""Thin nodes: settings in, files of a snapshot out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from med_maml_pipeline.datasets.multi_source import SourceSet
from med_maml_pipeline.synthetic import write_ehr, write_molecules, write_truth
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings

__all__ = ["make_ehr", "make_molecules", "make_truth"]

Files = Iterable[tuple[str, Any]]


def make_ehr(sources: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Patients as a MEDS export; no file at all where no active source is synthetic."""
    return write_ehr(_settings(settings), seed) if _is_asked_for(sources) else ()


def make_molecules(sources: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Molecules and assays as a SMILES table; no file at all where no active source is synthetic."""
    return write_molecules(_settings(settings), seed) if _is_asked_for(sources) else ()


def make_truth(ehr: SourceSet, molecules: SourceSet, settings: Mapping[str, Any], seed: int) -> Files:
    """Diseases, causal features and site effects behind the data. No other stage reads it."""
    asked_for = _is_asked_for(ehr) or _is_asked_for(molecules)
    return write_truth(_settings(settings), seed) if asked_for else ()


def _is_asked_for(sources: SourceSet) -> bool:
    return any(spec.dataset == "synthetic" for spec in sources.specs.values())


def _settings(settings: Mapping[str, Any]) -> SyntheticHospitalSettings:
    return SyntheticHospitalSettings.model_validate(settings)
