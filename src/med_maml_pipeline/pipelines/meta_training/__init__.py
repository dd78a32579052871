"""Meta-training of every lane with selection on validation tasks."""

from med_maml_pipeline.pipelines.meta_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
