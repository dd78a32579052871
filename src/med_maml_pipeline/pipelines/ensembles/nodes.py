"""Thin nodes: predictions of all lanes in, those of the ensembles out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.learners.checkpoints import checkpoint_files
from med_maml_pipeline.learners.ensembles.combination import combine
from med_maml_pipeline.pipelines.evaluation.nodes import gather
from med_maml_pipeline.pipelines.modalities import LANE_NAMESPACES
from med_maml_pipeline.progress import reporter
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.tasks.problems import load_problems

__all__ = ["combine_lanes"]

Outputs = tuple[list[tuple[str, Any]], pd.DataFrame, pd.DataFrame, pd.DataFrame]


def combine_lanes(label: str) -> Callable[..., Outputs]:
    """The node function of one modality; ``label`` stands before its progress."""

    def learn_and_use_ensembles(
        examples: Snapshot,
        tasks: pd.DataFrame,
        pools: pd.DataFrame,
        episodes: pd.DataFrame,
        **lanes: pd.DataFrame,
    ) -> Outputs:
        """Learns ensembles on the validation predictions of all lanes and predicts the test episodes."""
        validation, test, costs = (
            gather(*(lanes[f"{lane}_{name}"] for lane in LANE_NAMESPACES))
            for name in ("validation_predictions", "predictions", "costs")
        )
        made = combine(
            load_problems(load_examples(examples), tasks, pools, episodes),
            validation,
            test,
            costs,
            progress=reporter(f"{label}: problems, folds and seeds"),
        )
        files = [file for key, held in made.checkpoints.items() for file in checkpoint_files(key, held)]
        return files, made.predictions, made.selection, made.costs

    return learn_and_use_ensembles
