"""The answer of all lanes together for a user's own cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.checkpoints import (
    CheckpointKey,
    CheckpointStore,
    checkpoint_keys,
    load_checkpoint,
)
from med_maml_pipeline.learners.described_inputs import load_inputs
from med_maml_pipeline.learners.ensembles import ENSEMBLES
from med_maml_pipeline.learners.ensembles.protocol import members_of
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode, common_scale, own_scale
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.personalisation.choice import choose_problem
from med_maml_pipeline.personalisation.own_task import (
    OwnTask,
    can_predict,
    predicted,
    read_own_task,
    tell_of,
)
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["personalise_ensemble"]

_DEFAULT = "stacked"


def personalise_ensemble(
    ensembles: CheckpointStore,
    lanes: Sequence[CheckpointStore],
    support: Path,
    query: Path,
    settings: PersonalisationSettings,
    *,
    modality: str,
    lane: str,
    seed: int,
) -> pd.DataFrame:
    """Adapts every member that counts to a user's labelled cases and combines what they predict.

    Args:
        ensembles: What the ensembles of the modality learned.
        lanes: What meta-training of every lane stored.
        support / query / settings / modality / lane / seed: As for `personalise`; the learner is ``stacked``
            where the settings name none.

    Returns:
        As `personalise`.

    Raises:
        ConfigurationError: there is no such ensemble, or a member is no longer among the checkpoints.
        DataError: a table cannot be used, or a checkpoint is of another version.
    """
    problem, fold, trained, names = choose_problem(checkpoint_keys(ensembles), settings, lane)
    name = _DEFAULT if _DEFAULT in names else names[0]
    checkpoint = load_checkpoint(ensembles, CheckpointKey(problem, fold, name, trained))
    members = members_of(checkpoint.facts)
    homes = _homes(lanes, problem, fold, trained, members, lane)
    inputs = load_inputs(homes[members[0]], problem, fold, modality)
    task = read_own_task(support, query, inputs, modality, settings)
    able = [can_predict(member, inputs, task.target_type) for member in members]
    used = ENSEMBLES[name].used(checkpoint, _episode(task, _blank(task, able)))
    tell_of(task, inputs, lane, f"{name} ({', '.join(used)})", used)
    scores = {
        member: predicted(homes[member], CheckpointKey(problem, fold, member, trained), task, seed)
        for member in used
    }
    return task.table(_combined(name, checkpoint, task, [scores.get(member) for member in members]))


def _combined(name: str, checkpoint: Checkpoint, task: OwnTask, scores: Sequence[object]) -> np.ndarray:
    scale = task.scale
    z = _blank(task, [True] * len(scores))
    for place, found in enumerate(scores):
        z[place] = np.nan if found is None else common_scale(np.asarray(found), task.target_type, scale)
    combined = ENSEMBLES[name].combine(checkpoint, _episode(task, z))
    return own_scale(combined, task.target_type, scale)


def _homes(
    lanes: Sequence[CheckpointStore],
    problem: str,
    fold: int,
    seed: int,
    members: Sequence[str],
    lane: str,
) -> Mapping[str, CheckpointStore]:
    """Where each member's checkpoint lies."""
    keys = {key: store for store in lanes for key in checkpoint_keys(store)}
    homes = {name: keys.get(CheckpointKey(problem, fold, name, seed)) for name in members}
    gone = [name for name, store in homes.items() if store is None]
    if gone:
        raise ConfigurationError(
            f"{lane}: the ensemble counts on {', '.join(gone)}, which the latest meta-training left out; "
            "run the pipeline with the same 'roster' again, or name older checkpoints with --load-versions"
        )
    return {name: store for name, store in homes.items() if store is not None}


def _blank(task: OwnTask, able: Sequence[bool]) -> np.ndarray:
    """Scores ``[m, q, c]`` of nothing; NaN for members that cannot predict this target."""
    width = 1 if task.target_type is TargetType.REGRESSION else len(task.labels.classes)
    z = np.zeros((len(able), len(task.rows.query), width))
    z[~np.asarray(able)] = np.nan
    return z


def _episode(task: OwnTask, z: np.ndarray) -> ScoredEpisode:
    """A user's own task is of no family, and nobody knows the truth."""
    n_support = len(task.rows.support)
    return ScoredEpisode(
        "",
        "",
        task.target_type,
        task.size,
        n_support,
        z,
        np.zeros(0),
        task.scale,
    )
