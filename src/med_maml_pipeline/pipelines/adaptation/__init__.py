"""Adaptation to the support sets of the test episodes, and predictions."""

from med_maml_pipeline.pipelines.adaptation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
