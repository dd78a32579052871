"""Deep kernel transfer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.covariances import NOISE
from med_maml_pipeline.learners.deep_kernel import DeepKernelLearner, GpSupport
from med_maml_pipeline.learners.embedding_learner import Scorer
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.gaussian_process import negative_log_likelihood
from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["DeepKernelTransfer", "DktAdaptation"]


@dataclass(frozen=True)
class DktAdaptation(MetricAdaptation):
    """Settings of adaptation, beside those of `MetricAdaptation`.

    Attributes:
        noise_scale: Multiplies the learned variance of the noise.
    """

    noise_scale: float = 1.0


class DeepKernelTransfer(DeepKernelLearner[DktAdaptation]):
    """One Gaussian process for all tasks (DKT, Patacchiola et al. 2020).

    Embedding, hyper-parameters and prior mean are learned together by the marginal likelihood of whole tasks,
    support and query alike. A new task is conditioned on its support; nothing is fitted to it. Classes are
    values ±1, one against the rest.
    """

    name = "dkt"
    adaptation = DktAdaptation
    adapt_grid: tuple[Settings, ...] = tuple({"noise_scale": s} for s in (1.0, 0.3, 3.0, 10.0))
    picture_grid: tuple[Settings, ...] = tuple(
        {"noise_scale": scale, "views": views} for scale, views in ((1.0, 8), (0.3, 8), (1.0, 1), (3.0, 8))
    )

    def losses(self, learned: Mapping[str, Tensor], batch: TypedBatch, facts: Mapping[str, Any]) -> Tensor:
        """Negative log marginal likelihood ``[t]`` per row and output."""
        parts = batch.episodes.support, batch.episodes.query
        x, y, weight = (
            torch.cat([getattr(part, name) for part in parts], dim=1) for name in ("x", "y", "weight")
        )
        task = GpSupport.of(
            learned, facts["kernel"], Labelled(x, y, weight), batch.target_type, batch.n_classes
        )
        covariance = task.covariance(task.pairs(), task.usual_logs())
        whole = negative_log_likelihood(covariance, task.residuals, task.real)
        return whole / (task.real.sum(-1) * task.residuals.shape[-1])

    def scorer(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
        options: DktAdaptation,
    ) -> Scorer:
        """The posterior given this support."""
        task = GpSupport.of(learned, facts["kernel"], support, target_type, n_classes)
        pairs, logs = task.pairs(), task.usual_logs().clone()
        logs[:, NOISE] += torch.tensor(options.noise_scale).log()
        return lambda asked: task.scores(*task.predict(pairs, logs, asked))
