"""Wiring of the embedded hospital."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.modalities import MODALITIES
from med_maml_pipeline.pipelines.synthetic_hospital.nodes import (
    make_ehr,
    make_expression,
    make_imaging,
    make_molecules,
    make_truth,
)

__all__ = ["create_pipeline"]

_SETTINGS = ["params:synthetic_hospital", "params:seed"]

_MAKERS: dict[str, tuple[Callable[..., Any], str]] = {
    "ehr": (make_ehr, "make_synthetic_hospital"),
    "molecules": (make_molecules, "make_synthetic_assays"),
    "imaging": (make_imaging, "make_synthetic_pictures"),
    "expression": (make_expression, "make_synthetic_expression"),
}


def create_pipeline() -> Pipeline:
    """One node per modality, and one for the truth that is kept apart."""
    truth = Node(
        make_truth,
        [*_SETTINGS, *(f"{modality}_sources" for modality in MODALITIES)],
        "synthetic_truth",
        name="make_synthetic_truth",
    )
    return Pipeline([*map(_node, MODALITIES), truth], tags="synthetic_hospital")


def _node(modality: str) -> Node:
    make, name = _MAKERS[modality]
    return Node(
        make,
        [f"{modality}_sources", *_SETTINGS],
        f"synthetic_{modality}",
        name=name,
        namespace=modality,
    )
