"""Scoreboard to figures and the report."""

from med_maml_pipeline.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
