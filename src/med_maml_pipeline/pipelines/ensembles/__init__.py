"""All lanes' predictions made into one answer."""

from med_maml_pipeline.pipelines.ensembles.pipeline import create_pipeline

__all__ = ["create_pipeline"]
