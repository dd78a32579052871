"""Thin node: examples in, task and episode tables out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from med_maml_pipeline.config import BudgetName, Budgets
from med_maml_pipeline.datasets.multi_source import SourceSet
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.build import build_tasks

__all__ = ["construct_tasks"]


def construct_tasks(
    examples: Snapshot, sources: SourceSet, budgets: Mapping[str, Any], budget: BudgetName, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Splits tasks and groups, draws and stores the episodes, and fails on any overlap."""
    factor = Budgets.model_validate(budgets).named(budget).draws_factor
    families = {
        name: tuple(_with_draws(family, factor) for family in spec.tasks)
        for name, spec in sources.specs.items()
    }
    built = build_tasks(load_examples(examples), families, seed)
    return built.tasks, built.pools, built.episodes, built.attrition, built.audit


def _with_draws(family: TaskFamilySpec, factor: int) -> TaskFamilySpec:
    support = family.support.model_copy(update={"draws": family.support.draws * factor})
    return family.model_copy(update={"support": support})
