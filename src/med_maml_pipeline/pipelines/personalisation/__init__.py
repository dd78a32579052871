"""Predictions for a user's own cases from a trained checkpoint."""

from med_maml_pipeline.pipelines.personalisation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
