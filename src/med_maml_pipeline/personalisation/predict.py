"""From a checkpoint, a support table and a query table to predictions under the user's own identifiers."""

from __future__ import annotations

import logging
from dataclasses import replace
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
from med_maml_pipeline.learners.described_inputs import Inputs, load_chosen, load_inputs
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.metrics.probabilities import softmax
from med_maml_pipeline.personalisation.cases import Cases
from med_maml_pipeline.personalisation.choice import best_learner, choose_problem, settings_for
from med_maml_pipeline.personalisation.inputs import Prepared, choose_schema, prepare, read_cases
from med_maml_pipeline.personalisation.labels import Labels, read_labels
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.tasks.types import FloatArray, Support, TargetType

__all__ = ["personalise"]

_LOGGER = logging.getLogger(__name__)


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
    chosen = load_chosen(checkpoints, problem, fold, trained)
    schema = choose_schema(inputs, settings.table)
    labelled, asked = read_cases(support, query, modality, settings)
    labels = _labels(labelled, inputs, settings)
    learners = _able(learners, inputs, labels.target_type, lane)
    rows = prepare(labelled, asked, inputs, schema, settings)
    size = labels.size(per_class=labels.target_type in inputs.per_class)
    learner = best_learner(chosen, learners, labels.target_type, size)
    _tell(lane, learner, inputs, labels, rows)
    scores = get_learner(learner).adapt(
        _on_cpu(load_checkpoint(checkpoints, CheckpointKey(problem, fold, learner, trained))),
        _support(rows, labels),
        settings_for(chosen, learner, labels.target_type, size),
        seed,
    )(rows.query)
    return _table(asked, labels, scores)


def _labels(cases: Cases, inputs: Inputs, settings: PersonalisationSettings) -> Labels:
    """Labels of the support; two classes are served as many where meta-training only saw many."""
    assert cases.labels is not None  # noqa: S101 - a support table has them
    labels = read_labels(
        cases.labels,
        settings.target_type,
        settings.positive,
        shared_meaning=inputs.shared_meaning,
        place=cases.place,
    )
    strange = labels.target_type is TargetType.BINARY and TargetType.BINARY not in inputs.target_types
    if strange and TargetType.MULTICLASS in inputs.target_types:
        return replace(labels, target_type=TargetType.MULTICLASS)
    return labels


def _able(learners: tuple[str, ...], inputs: Inputs, target_type: TargetType, lane: str) -> tuple[str, ...]:
    """Learners that can predict such a target: the prior has no other output than it was trained for."""
    able = tuple(name for name in learners if name != "prior" or target_type in inputs.target_types)
    if not able:
        trained = " or ".join(inputs.target_types)
        raise ConfigurationError(
            f"{lane}: learner 'prior' predicts {trained} targets only, and your labels are {target_type}; "
            "choose another learner or lane"
        )
    return able


def _tell(lane: str, learner: str, inputs: Inputs, labels: Labels, rows: Prepared) -> None:
    classes = f" in {len(labels.classes)} classes" if labels.classes else ""
    _LOGGER.info(
        "%s: %s adapts to %d support cases%s and predicts %d",
        lane,
        learner,
        len(rows.support),
        classes,
        len(rows.query),
    )
    seen = {row.tobytes() for row in rows.support}
    if alike := sum(row.tobytes() in seen for row in rows.query):
        _LOGGER.warning("%s: %d query cases are alike in every input to a support case", lane, alike)
    if get_learner(learner).lane != "classical" and labels.target_type not in inputs.target_types:
        _LOGGER.warning(
            "%s: the checkpoint saw no %s task in meta-training: %s has learned features for it, but no head",
            lane,
            labels.target_type,
            learner,
        )


def _on_cpu(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint that was trained on a GPU serves on any machine."""
    if "device" not in checkpoint.facts:
        return checkpoint
    return replace(checkpoint, facts={**checkpoint.facts, "device": "cpu"})


def _support(rows: Prepared, labels: Labels) -> Support:
    return Support(
        rows.support, labels.y, rows.kinds, labels.target_type, len(labels.classes), image=rows.image
    )


def _table(query: Cases, labels: Labels, scores: FloatArray) -> pd.DataFrame:
    if labels.target_type is TargetType.REGRESSION:
        return pd.DataFrame({"id": query.ids, "value": scores})
    probabilities = softmax(scores.astype(np.float64))
    names = np.array(labels.classes, dtype=object)
    table = pd.DataFrame({"id": query.ids, "prediction": names[probabilities.argmax(axis=1)]})
    for index, name in enumerate(labels.classes):
        table[f"probability_{name}"] = probabilities[:, index]
    return table
