"""What metric-based learners share: scores by comparison with the support in a learned embedding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.embedding_learner import EmbeddingLearner, Scorer
from med_maml_pipeline.learners.episode_batches import TypedBatch, loss_of
from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["MetricLearner"]

Options = TypeVar("Options", bound=MetricAdaptation)


class MetricLearner(EmbeddingLearner[Options]):
    """A method says how queries are compared with a support (`compare`), and is trained on its query loss.

    Training takes the defaults of the settings of adaptation.
    """

    @abstractmethod
    def compare(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        options: Options,
    ) -> Tensor:
        """Scores of the queries: ``[t, q, n_classes]``, or values ``[t, q, 1]``.

        Args:
            learned: What is learned beside the embedding.
            support: Embedded support sets, ``x`` is ``[t, s, d]``; regression targets are standardised.
            asked: ``[t, q, d]`` embedded queries.
            target_type: Type of the target.
            n_classes: Number of classes (0 for regression).
            options: Settings of adaptation.
        """

    def losses(self, learned: Mapping[str, Tensor], batch: TypedBatch, facts: Mapping[str, Any]) -> Tensor:
        """Loss ``[t]`` on the queries."""
        support, query = batch.episodes.support, batch.episodes.query
        kind, n_classes = batch.target_type, batch.n_classes
        outputs = self.compare(learned, support, query.x, kind, n_classes, self.adaptation())
        return loss_of(kind)(outputs, query.y, query.weight)

    def scorer(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
        options: Options,
    ) -> Scorer:
        """The comparison with this support."""
        return lambda asked: self.compare(learned, support, asked, target_type, n_classes, options)
