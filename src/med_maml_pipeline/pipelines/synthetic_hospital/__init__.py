"""The embedded hospital, written in the formats of real data."""

from med_maml_pipeline.pipelines.synthetic_hospital.pipeline import create_pipeline

__all__ = ["create_pipeline"]
