"""A user's labelled cases and the cases to predict, made ready for the checkpoints of a problem."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from med_maml_pipeline.learners.checkpoints import CheckpointKey, CheckpointStore, load_checkpoint
from med_maml_pipeline.learners.described_inputs import Inputs, load_chosen
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.metrics.probabilities import softmax
from med_maml_pipeline.personalisation.cases import Cases
from med_maml_pipeline.personalisation.choice import settings_for
from med_maml_pipeline.personalisation.inputs import Prepared, choose_schema, prepare, read_cases
from med_maml_pipeline.personalisation.labels import Labels, read_labels
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.tasks.types import FloatArray, Support, TargetType

__all__ = ["OwnTask", "can_predict", "predicted", "read_own_task", "tell_of"]

_LOGGER = logging.getLogger(__name__)
_ONLY_AS_TRAINED = ("prior", "prior_residual")  # their output is that of the pooled network


@dataclass(frozen=True)
class OwnTask:
    """A user's task.

    Attributes:
        labels: Of the support.
        rows: Of support and query, as the checkpoints read them.
        asked: The query as it was written.
        size: Support size as episodes count it.
    """

    labels: Labels
    rows: Prepared
    asked: Cases
    size: int

    @property
    def target_type(self) -> TargetType:
        """Type of the target."""
        return self.labels.target_type

    @property
    def support(self) -> Support:
        """The support set."""
        n_classes = len(self.labels.classes)
        rows, labels = self.rows, self.labels
        return Support(rows.support, labels.y, rows.kinds, self.target_type, n_classes, image=rows.image)

    @property
    def scale(self) -> TargetScale:
        """Of the support's values."""
        return TargetScale.of(self.labels.y, self.target_type)

    def table(self, scores: FloatArray) -> pd.DataFrame:
        """Scores of the query under the user's own identifiers: see `personalise`."""
        if self.target_type is TargetType.REGRESSION:
            return pd.DataFrame({"id": self.asked.ids, "value": scores})
        probabilities = softmax(scores.astype(np.float64))
        names = np.array(self.labels.classes, dtype=object)
        table = pd.DataFrame({"id": self.asked.ids, "prediction": names[probabilities.argmax(axis=1)]})
        for index, name in enumerate(self.labels.classes):
            table[f"probability_{name}"] = probabilities[:, index]
        return table


def read_own_task(
    support: Path, query: Path, inputs: Inputs, modality: str, settings: PersonalisationSettings
) -> OwnTask:
    """Reads and checks both tables.

    Raises:
        ConfigurationError: the tables were prepared in several ways, and none is named.
        DataError: a table cannot be used, or holds other rows than the checkpoints read.
    """
    schema = choose_schema(inputs, settings.table)
    labelled, asked = read_cases(support, query, modality, settings)
    labels = _labels(labelled, inputs, settings)
    rows = prepare(labelled, asked, inputs, schema, settings)
    return OwnTask(labels, rows, asked, labels.size(per_class=labels.target_type in inputs.per_class))


def can_predict(learner: str, inputs: Inputs, target_type: TargetType) -> bool:
    """Whether a learner's checkpoint predicts such a target: the prior has no output but what it trained."""
    return learner not in _ONLY_AS_TRAINED or target_type in inputs.target_types


def tell_of(task: OwnTask, inputs: Inputs, lane: str, said: str, learners: Sequence[str]) -> None:
    """Logs what is done, in counts, and warns of what may disappoint.

    Args:
        task: The user's task.
        inputs: What the checkpoints read.
        lane: Namespace of the lane.
        said: What adapts.
        learners: Those whose checkpoints are used.
    """
    classes = f" in {len(task.labels.classes)} classes" if task.labels.classes else ""
    support, query = task.rows.support, task.rows.query
    _LOGGER.info(
        "%s: %s adapts to %d support cases%s and predicts %d",
        lane,
        said,
        len(support),
        classes,
        len(query),
    )
    seen = {row.tobytes() for row in support}
    if alike := sum(row.tobytes() in seen for row in query):
        _LOGGER.warning("%s: %d query cases are alike in every input to a support case", lane, alike)
    trained = [name for name in learners if get_learner(name).lane != "classical"]
    if trained and task.target_type not in inputs.target_types:
        _LOGGER.warning(
            "%s: the checkpoint saw no %s task in meta-training: no head is learned for it by %s",
            lane,
            task.target_type,
            ", ".join(trained),
        )


def predicted(store: CheckpointStore, key: CheckpointKey, task: OwnTask, seed: int) -> FloatArray:
    """Scores of the query by one learner, with the settings that validation tasks chose for it.

    Args:
        store: What meta-training of its lane stored.
        key: The checkpoint.
        task: The user's task.
        seed: Of the adaptation.
    """
    chosen = load_chosen(store, key.problem, key.fold, key.seed)
    settings = settings_for(chosen, key.learner, task.target_type, task.size)
    checkpoint = _on_cpu(load_checkpoint(store, key))
    return get_learner(key.learner).adapt(checkpoint, task.support, settings, seed)(task.rows.query)


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


def _on_cpu(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint that was trained on a GPU serves on any machine."""
    if "device" not in checkpoint.facts:
        return checkpoint
    return replace(checkpoint, facts={**checkpoint.facts, "device": "cpu"})
