"""Thin nodes: tasks in, checkpoints, learning curves, selection and costs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from med_maml_pipeline.config import parse_parameters
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.learners.checkpoints import checkpoint_files
from med_maml_pipeline.learners.described_inputs import describe_inputs, input_files
from med_maml_pipeline.learners.fitting import Surroundings
from med_maml_pipeline.learners.registry import roster
from med_maml_pipeline.learners.training import COST_COLUMNS, SELECTION_COLUMNS, Effort, Trained, meta_train
from med_maml_pipeline.node_state import state_of
from med_maml_pipeline.pipelines.modalities import lane_namespace
from med_maml_pipeline.progress import FitReporter, reporter
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.tasks.problems import load_problems
from med_maml_pipeline.tasks.types import Problem

__all__ = ["NODE", "meta_train_lane"]

_LOGGER = logging.getLogger(__name__)

NODE = "meta_train"
"""Name of the node within its namespace."""

_HISTORY = [
    *("problem", "fold", "learner", "seed"),
    *("step", "loss", "learning_rate", "validation", "kept"),
]

Outputs = tuple[list[tuple[str, Any]], pd.DataFrame, pd.DataFrame, pd.DataFrame]


def meta_train_lane(modality: str, lane: str) -> Callable[..., Outputs]:
    """The node function of one lane of one modality."""
    namespace = lane_namespace(modality, lane)
    name = f"{namespace}.{NODE}"

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
                roster(settings.roster, lane),
                effort,
                settings.all_seeds,
                workers=settings.workers,
                progress=reporter(f"{namespace}: meta-training"),
                around=Surroundings(
                    FitReporter(namespace),
                    state_of(settings.state.folder, name) if settings.state.folder else None,
                    settings.state.every,
                    settings.distributed,
                ),
            )
        )
        _tell_of_overtime(trained, budget.training_seconds, namespace)
        files = [
            *(file for t in trained for file in checkpoint_files(t.key, t.checkpoint)),
            *_inputs(modality, problems, examples, trained),
        ]
        return files, _history(trained), _selection(trained), _costs(trained)

    return meta_train_learners


def _tell_of_overtime(trained: list[Trained], allowed: float, namespace: str) -> None:
    """A learner that takes longer than others may is finished, since time must not decide a result."""
    for t in trained:
        if t.cost.seconds > allowed:
            _LOGGER.warning(
                "%s: %s took %.0f s to meta-train on '%s', fold %d, of a budget of %.0f s; lower its 'steps' "
                "in 'learners', or raise 'training_seconds' in 'budgets'",
                namespace,
                t.learner,
                t.cost.seconds,
                t.problem,
                t.fold,
                allowed,
            )


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
    """Learning curves: see `optimise` for the columns from ``step`` on."""
    rows = [
        {"problem": t.problem, "fold": t.fold, "learner": t.learner, "seed": t.seed, **record}
        for t in trained
        for record in t.checkpoint.history
    ]
    return pd.DataFrame(rows, columns=_HISTORY)


def _selection(trained: list[Trained]) -> pd.DataFrame:
    if not trained:  # the roster has nobody for this lane
        return pd.DataFrame(columns=list(SELECTION_COLUMNS))
    return pd.concat([t.selection for t in trained], ignore_index=True)


def _costs(trained: list[Trained]) -> pd.DataFrame:
    def rows() -> Iterator[tuple[Any, ...]]:
        for t in trained:
            yield t.problem, t.fold, t.learner, t.cost.seconds, t.cost.peak_memory_mib, t.seed

    return pd.DataFrame(list(rows()), columns=list(COST_COLUMNS))
