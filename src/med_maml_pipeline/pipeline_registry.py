"""The project's pipelines by name."""

from __future__ import annotations

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

__all__ = ["register_pipelines"]

_SPINE = (
    "synthetic_hospital",
    "ingestion",
    "task_construction",
    "meta_training",
    "adaptation",
    "ensembles",
    "evaluation",
    "reporting",
)


def register_pipelines() -> dict[str, Pipeline]:
    """Every stage by its name, and the spine from raw files to the report as ``__default__``.

    Under ``kedro run --pipelines NAME`` Kedro finds the named stages only, and the spine is not needed.
    """
    stages = find_pipelines(raise_errors=True)
    if stages.keys() >= set(_SPINE):
        stages["__default__"] = sum((stages[name] for name in _SPINE), Pipeline([]))
    return stages
