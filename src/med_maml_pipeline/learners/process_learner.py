"""What learners share that read a support with a network of their own: neural processes, SNAIL."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.embedding_learner import EmbeddingLearner, Scorer
from med_maml_pipeline.learners.episode_batches import TypedBatch, loss_of
from med_maml_pipeline.learners.metric_settings import MetricAdaptation, MetricTraining
from med_maml_pipeline.learners.one_against_rest import kind_of, one_value_supports, task_outputs
from med_maml_pipeline.learners.own_episodes import own_episodes
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.networks import initial_parameters
from med_maml_pipeline.tasks.types import Problem, TargetType

__all__ = ["ProcessLearner"]

Options = TypeVar("Options", bound=MetricAdaptation)

_PROCESS = "metric.process."
_STREAM = 11  # keeps the sizes of supports apart from other draws with the same seed


class ProcessLearner(EmbeddingLearner[Options]):
    """On top of the embedding, a process reads the support and answers queries: adapting is a pass forward.

    Subclasses name the process. It has one output, of which `one_value_supports` makes any number of classes;
    its last layer starts at zero, so that scores start at chance. Training draws supports of many sizes, as
    Garnelo et al. (2018) do: between half and twice ``shots``, one size for an update.
    """

    lane = "model"

    @abstractmethod
    def process(self, facts: Mapping[str, Any], width: int) -> nn.Module:
        """The structure of the process on embedded rows of that width, as the settings describe it."""

    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """The parameters of the process."""
        process = self.process(facts, width)
        # The embedding draws from the seed itself.
        drawn = initial_parameters(process, seed + 1, zero=str(process.head_path))
        return {_PROCESS + name: value for name, value in drawn.items()}

    def episodes(
        self,
        problem: Problem,
        inputs: ResidentInputs,
        options: MetricTraining,
        seed: int,
        step: int,
        world: World,
    ) -> Iterator[TypedBatch]:
        """Training episodes of one update, with supports of a size drawn for it."""
        rng = np.random.default_rng((_STREAM, seed, step))
        shots = int(rng.integers(max(options.shots // 2, 1), 2 * options.shots, endpoint=True))
        return own_episodes(problem, inputs, replace(options, shots=shots), seed, step, world)

    def losses(self, learned: Mapping[str, Tensor], batch: TypedBatch, facts: Mapping[str, Any]) -> Tensor:
        """Loss on the queries."""
        support, query = batch.episodes.support, batch.episodes.query
        outputs = self.outputs(learned, support, query.x, batch.target_type, batch.n_classes, facts)
        return loss_of(batch.target_type)(outputs, query.y, query.weight)

    def scorer(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
        options: Options,
    ) -> Scorer:
        """Answers queries, given the support."""
        return lambda asked: self.outputs(learned, support, asked, target_type, n_classes, facts)

    def outputs(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
    ) -> Tensor:
        """Outputs ``[t, q, n_classes]`` or ``[t, q, 1]`` of embedded queries ``[t, q, d]``."""
        process = self.process(facts, support.x.shape[-1])
        own = {name.removeprefix(_PROCESS): value for name, value in learned.items()}
        supports = one_value_supports(support, target_type, n_classes)
        queries = asked.repeat_interleave(len(supports) // len(support), 0)
        kind = kind_of(target_type, asked)
        found = functional_call(process, own, (supports.x, supports.y, kind, supports.weight, queries))
        return task_outputs(found, target_type, n_classes)
