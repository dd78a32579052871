"""From a checkpoint, a support table and a query table to predictions under the user's own identifiers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.checkpoints import CheckpointKey, CheckpointStore, checkpoint_keys
from med_maml_pipeline.learners.described_inputs import Inputs, load_chosen, load_inputs
from med_maml_pipeline.personalisation.choice import best_learner, choose_problem
from med_maml_pipeline.personalisation.own_task import can_predict, predicted, read_own_task, tell_of
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["personalise"]


def personalise(
    checkpoints: CheckpointStore,
    support: Path,
    query: Path,
    settings: PersonalisationSettings,
    *,
    modality: str,
    lane: str,
    seed: int,
) -> pd.DataFrame:
    """Adapts a checkpoint to a user's labelled cases and predicts the others.

    Args:
        checkpoints: What meta-training of the lane stored.
        support: Table of labelled cases.
        query: Table of cases to predict.
        settings: Which checkpoint, and how the tables are laid out.
        modality: Kind of data.
        lane: Namespace of the lane, for messages.
        seed: Seed of the adaptation.

    Returns:
        One row per query case, in its order: ``id``, and ``prediction`` with ``probability_<class>`` for each
        class, or ``value`` for a numeric target.

    Raises:
        ConfigurationError: the checkpoint asked for does not exist or must be named, or its learner cannot
            predict such a target.
        DataError: the checkpoint is of another version of this package or reads other rows than the tables
            hold, or a table cannot be used.
    """
    problem, fold, trained, learners = choose_problem(checkpoint_keys(checkpoints), settings, lane)
    inputs = load_inputs(checkpoints, problem, fold, modality)
    task = read_own_task(support, query, inputs, modality, settings)
    learners = _able(learners, inputs, task.target_type, lane)
    chosen = load_chosen(checkpoints, problem, fold, trained)
    learner = best_learner(chosen, learners, task.target_type, task.size)
    tell_of(task, inputs, lane, learner, [learner])
    return task.table(predicted(checkpoints, CheckpointKey(problem, fold, learner, trained), task, seed))


def _able(learners: tuple[str, ...], inputs: Inputs, target_type: TargetType, lane: str) -> tuple[str, ...]:
    able = tuple(name for name in learners if can_predict(name, inputs, target_type))
    if not able:
        trained = " or ".join(inputs.target_types)
        raise ConfigurationError(
            f"{lane}: learner '{learners[0]}' predicts {trained} targets only, and your labels are "
            f"{target_type}; choose another learner or lane"
        )
    return able
