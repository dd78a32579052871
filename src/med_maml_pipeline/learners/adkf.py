"""Adaptive deep kernels, trained through the fit of their hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from med_maml_pipeline.bilevel import Labelled, cross_entropy
from med_maml_pipeline.learners.covariances import Pairs
from med_maml_pipeline.learners.deep_kernel import DeepKernelLearner, DeepKernelTraining, GpSupport
from med_maml_pipeline.learners.embedding_learner import Scorer
from med_maml_pipeline.learners.episode_batches import TypedBatch, balance
from med_maml_pipeline.learners.gaussian_process import negative_log_density
from med_maml_pipeline.learners.hyperparameter_fit import SupportPosterior, fit_hyperparameters, through_fit
from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["AdaptiveDeepKernel", "AdkfAdaptation", "AdkfTraining"]

_TRAINING_ITERATIONS, _ITERATIONS = 8, 50  # Newton steps; three to seven suffice as a rule


@dataclass(frozen=True)
class AdkfTraining(DeepKernelTraining):
    """Settings of meta-training, beside those of `DeepKernelTraining`.

    Attributes:
        prior_deviation: Of the normal prior on each log hyper-parameter.
    """

    prior_deviation: float = 0.5


@dataclass(frozen=True)
class AdkfAdaptation(MetricAdaptation):
    """Settings of adaptation, beside those of `MetricAdaptation`.

    Attributes:
        deviation_scale: Multiplies the prior's deviation; 0 keeps the learned hyper-parameters.
    """

    deviation_scale: float = 1.0


class AdaptiveDeepKernel(DeepKernelLearner[AdkfAdaptation]):
    """Each task fits its own kernel to its support (ADKF-IFT, Chen, Tripp and Hernández-Lobato 2023).

    The fit is by marginal likelihood under a prior whose centre is learned. The embedding is trained on the
    probability of the queries after that fit, with the exact gradient that the implicit function theorem
    gives. For classes that is the probit of the predictive margin, where the paper has the density of ±1.
    """

    name = "adkf"
    training = AdkfTraining
    adaptation = AdkfAdaptation
    adapt_grid: tuple[Settings, ...] = tuple({"deviation_scale": s} for s in (1.0, 0.0, 0.5, 2.0))
    picture_grid: tuple[Settings, ...] = tuple(
        {"deviation_scale": scale, "views": views}
        for scale, views in ((1.0, 8), (0.0, 8), (1.0, 1), (2.0, 8))
    )

    def losses(self, learned: Mapping[str, Tensor], batch: TypedBatch, facts: Mapping[str, Any]) -> Tensor:
        """Mean negative log probability ``[t]`` of a query's class, all classes alike, or of its value."""
        query, kind, n_classes = batch.episodes.query, batch.target_type, batch.n_classes
        task = GpSupport.of(learned, facts["kernel"], batch.episodes.support, kind, n_classes)
        pairs = task.pairs()
        posterior = _posterior(task, pairs, facts["prior_deviation"])
        logs = through_fit(posterior, fit_hyperparameters(posterior, _TRAINING_ITERATIONS))
        means, variances = task.predict(pairs, logs, query.x)
        if kind is TargetType.REGRESSION:
            densities = negative_log_density(means, variances, query.y.double().unsqueeze(-1))
            return (densities * query.weight).sum(-1)
        # Supports are drawn by class and queries are not: without it a shift of the odds would be learned.
        weight = balance(query, n_classes).weight.double()
        return cross_entropy(task.scores(means, variances), query.y, weight)

    def scorer(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
        options: AdkfAdaptation,
    ) -> Scorer:
        """The posterior given this support, under hyper-parameters fitted to it."""
        task = GpSupport.of(learned, facts["kernel"], support, target_type, n_classes)
        pairs, logs = task.pairs(), task.usual_logs()
        deviation = facts["prior_deviation"] * options.deviation_scale
        if deviation > 0:
            logs = fit_hyperparameters(_posterior(task, pairs, deviation), _ITERATIONS)
        return lambda asked: task.scores(*task.predict(pairs, logs, asked))


def _posterior(task: GpSupport, pairs: Pairs, deviation: float) -> SupportPosterior:
    return SupportPosterior(pairs, task.residuals, task.real, task.usual_logs(), deviation)
