"""Examples to tasks, pools and stored episodes."""

from med_maml_pipeline.pipelines.task_construction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
