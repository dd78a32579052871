"""Thin nodes: tasks in, checkpoints, learning curves, selection and costs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from med_maml_pipeline.config import parse_parameters
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.learners.checkpoints import checkpoint_files
from med_maml_pipeline.learners.described_inputs import describe_inputs, input_files
from med_maml_pipeline.learners.registry import LANES
from med_maml_pipeline.learners.training import Effort, Trained, meta_train
from med_maml_pipeline.progress import reporter
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.tasks.problems import load_problems
from med_maml_pipeline.tasks.types import Problem

__all__ = ["meta_train_lane"]

Outputs = tuple[list[tuple[str, Any]], pd.DataFrame, pd.DataFrame, pd.DataFrame]


def meta_train_lane(modality: str, lane: str) -> Callable[..., Outputs]:
    """The node function of one lane of one modality."""

    def meta_train_learners(
        examples: Snapshot,
        tasks: pd.DataFrame,
        pools: pd.DataFrame,
        episodes: pd.DataFrame,
        **parameters: Any,
    ) -> Outputs:
        """Meta-trains the lane's learners and selects their settings on validation tasks."""
        settings = parse_parameters(parameters)
        budget = settings.active_budget
        effort = Effort(
            max_validation_episodes=budget.max_validation_episodes,
            meta_settings=budget.meta_settings,
            adapt_settings=budget.adapt_settings,
            overrides=settings.learner_settings(modality),
        )
        problems = load_problems(load_examples(examples), tasks, pools, episodes)
        trained = list(
            meta_train(
                problems,
                LANES[lane],
                effort,
                settings.seed,
                workers=settings.workers,
                progress=reporter(f"{modality}.{lane}: meta-training"),
            )
        )
        files = [
            *(file for t in trained for file in checkpoint_files(t.problem, t.fold, t.learner, t.checkpoint)),
            *_inputs(modality, problems, examples, trained),
        ]
        return files, _history(trained), _selection(trained), _costs(trained, settings.seed)

    return meta_train_learners


def _inputs(
    modality: str, problems: list[Problem], examples: Snapshot, trained: list[Trained]
) -> Iterator[tuple[str, Any]]:
    """What the checkpoints read, and the settings chosen for them, to lie beside them."""
    for problem in problems:
        own = [t.selection for t in trained if (t.problem, t.fold) == (problem.name, problem.fold)]
        if not own:
            continue
        selection = pd.concat(own, ignore_index=True)
        schemas = {table: examples.read(f"{table}/schema.json") for table in problem.tables}
        inputs = describe_inputs(problem, modality, schemas)
        chosen = selection[selection["chosen"].astype(bool)]
        yield from input_files(problem.name, problem.fold, inputs, chosen)


def _history(trained: list[Trained]) -> pd.DataFrame:
    rows = [
        {"problem": t.problem, "fold": t.fold, "learner": t.learner, **record}
        for t in trained
        for record in t.checkpoint.history
    ]
    return (
        pd.DataFrame(rows) if rows else pd.DataFrame(columns=["problem", "fold", "learner", "step", "loss"])
    )


def _selection(trained: list[Trained]) -> pd.DataFrame:
    return pd.concat([t.selection for t in trained], ignore_index=True) if trained else pd.DataFrame()


def _costs(trained: list[Trained], seed: int) -> pd.DataFrame:
    def rows() -> Iterator[tuple[Any, ...]]:
        for t in trained:
            yield t.problem, t.fold, t.learner, t.cost.seconds, t.cost.peak_memory_mib, seed

    columns = ["problem", "fold", "learner", "seconds_meta_fit", "peak_memory_mib", "seed"]
    return pd.DataFrame(list(rows()), columns=columns)
