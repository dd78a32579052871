"""Raw files to examples."""

from med_maml_pipeline.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
