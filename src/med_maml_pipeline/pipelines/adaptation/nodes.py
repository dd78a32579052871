"""Thin nodes: checkpoints and test episodes in, predictions out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from med_maml_pipeline.config import parse_parameters
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.learners.adaptation import predict_test_episodes, predict_validation_episodes
from med_maml_pipeline.learners.checkpoints import load_checkpoints
from med_maml_pipeline.progress import reporter
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.tasks.problems import load_problems

__all__ = ["adapt_lane"]


def adapt_lane(label: str) -> Callable[..., tuple[pd.DataFrame, pd.DataFrame]]:
    """The node function of one lane namespace; ``label`` stands before its progress."""

    def adapt_and_predict(
        examples: Snapshot,
        tasks: pd.DataFrame,
        pools: pd.DataFrame,
        episodes: pd.DataFrame,
        checkpoints: Snapshot,
        selection: pd.DataFrame,
        **parameters: Any,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Adapts the lane's learners to stored episodes and keeps the query predictions.

        Those of all test episodes are judged; those of validation episodes are what ensembles learn from.
        """
        settings = parse_parameters(parameters)
        problems = load_problems(load_examples(examples), tasks, pools, episodes)
        learned = load_checkpoints(checkpoints)
        validation = predict_validation_episodes(
            problems,
            learned,
            selection,
            settings.active_budget.max_stacking_episodes,
            workers=settings.workers,
            progress=reporter(f"{label}: adaptation to validation tasks"),
        )
        test = predict_test_episodes(
            problems,
            learned,
            selection,
            workers=settings.workers,
            progress=reporter(f"{label}: adaptation to test tasks"),
        )
        return test, validation

    return adapt_and_predict
