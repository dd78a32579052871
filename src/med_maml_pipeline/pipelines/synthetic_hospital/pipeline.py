"""Wiring of the embedded hospital."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.synthetic_hospital.nodes import make_ehr, make_molecules, make_truth

__all__ = ["create_pipeline"]


def create_pipeline() -> Pipeline:
    """One node per modality, and one for the truth that is kept apart."""
    settings = ["params:synthetic_hospital", "params:seed"]
    return Pipeline(
        [
            Node(
                make_ehr,
                ["ehr_sources", *settings],
                "synthetic_ehr",
                name="make_synthetic_hospital",
                namespace="ehr",
            ),
            Node(
                make_molecules,
                ["molecules_sources", *settings],
                "synthetic_molecules",
                name="make_synthetic_assays",
                namespace="molecules",
            ),
            Node(
                make_truth,
                ["ehr_sources", "molecules_sources", *settings],
                "synthetic_truth",
                name="keep_generating_truth",
            ),
        ],
        tags="synthetic_hospital",
    )
