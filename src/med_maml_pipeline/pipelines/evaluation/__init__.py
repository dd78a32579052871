"""Predictions to the scoreboard."""

from med_maml_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
