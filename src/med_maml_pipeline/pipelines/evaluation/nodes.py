"""Thin nodes: predictions in, the scoreboard out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from med_maml_pipeline.config import BudgetName, Budgets, Evaluation
from med_maml_pipeline.metrics.scoreboard import build_scoreboard, validate_scoreboard
from med_maml_pipeline.pipelines.modalities import JUDGED_NAMESPACES

__all__ = ["gather", "merge_scoreboards", "score_modality"]


def gather(*lanes: pd.DataFrame) -> pd.DataFrame:
    """Tables of all lanes as one."""
    return pd.concat([lane for lane in lanes if len(lane)] or lanes[:1], ignore_index=True)


def score_modality(modality: str) -> Callable[..., pd.DataFrame]:
    """The node function of one modality."""

    def score_predictions(
        tasks: pd.DataFrame,
        episodes: pd.DataFrame,
        evaluation: Mapping[str, Any],
        seed: int,
        budgets: Mapping[str, Any],
        budget: BudgetName,
        **lanes: pd.DataFrame,
    ) -> pd.DataFrame:
        """Scores every lane on the same episodes, with intervals and paired differences."""
        predictions, selection, costs = (
            gather(*(lanes[f"{lane}_{name}"] for lane in JUDGED_NAMESPACES))
            for name in ("predictions", "selection", "costs")
        )
        scoreboard = build_scoreboard(
            predictions,
            tasks,
            episodes,
            selection,
            costs,
            modality=modality,
            seed=seed,
            n_bootstrap=Evaluation.model_validate(evaluation).n_bootstrap,
            training_seconds=Budgets.model_validate(budgets).named(budget).training_seconds,
        )
        return validate_scoreboard(scoreboard)

    return score_predictions


def merge_scoreboards(*scoreboards: pd.DataFrame) -> pd.DataFrame:
    """The scoreboard of all modalities."""
    return validate_scoreboard(gather(*scoreboards))
