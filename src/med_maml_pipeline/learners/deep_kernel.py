"""What deep-kernel Gaussian processes share: from embedded rows to covariance, prior mean and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.covariances import (
    HYPERPARAMETERS,
    NOISE,
    GpRows,
    Pairs,
    check_kernel,
    own_variance,
)
from med_maml_pipeline.learners.embedding_learner import EmbeddingLearner
from med_maml_pipeline.learners.gaussian_process import class_scores, coded, noisy, query_posterior
from med_maml_pipeline.learners.inputs import PREFIX, fitted_encoder
from med_maml_pipeline.learners.metric_settings import MetricAdaptation, MetricTraining
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Settings
from med_maml_pipeline.tasks.types import FeatureKind, Problem, TargetType

__all__ = ["DeepKernelLearner", "DeepKernelTraining", "GpSupport"]

Options = TypeVar("Options", bound=MetricAdaptation)

_KINDS = (TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION)
_START = {"scale": 0.0, "lengthscale": 0.0, "usual": -2.0, "tanimoto": -1.0, "noise": -1.0}
_QUIET = {**_START, "scale": -2.0, "tanimoto": -2.0, "noise": 0.0}
"""For binary tasks: first the prior mean learns what they have in common. With a variance of one the process
explains the support by itself, and the mean hardly moves."""


@dataclass(frozen=True)
class DeepKernelTraining(MetricTraining):
    """Settings of meta-training, beside those of `MetricTraining`.

    Attributes:
        kernel: Of the embeddings: ``rbf``, ``matern`` (5/2), ``linear`` or ``cosine``.
        tanimoto: Add a Tanimoto kernel of the count columns, where there are any.
    """

    kernel: str = "rbf"
    tanimoto: bool = False


@dataclass(frozen=True)
class GpSupport:
    """Support sets of ``t`` tasks as a Gaussian process sees them, in double precision.

    Attributes:
        learned: What is learned beside the embedding.
        kernel: Kernel of the embeddings.
        rows: What the covariance reads.
        residuals: ``[t, n, c]`` coded targets minus their prior mean; zero where padded.
        real: ``[t, n]`` False where padded.
        target_type: Type of the target.
        n_classes: Number of classes (0 for regression).
    """

    learned: Mapping[str, Tensor]
    kernel: str
    rows: GpRows
    residuals: Tensor
    real: Tensor
    target_type: TargetType
    n_classes: int

    @classmethod
    def of(
        cls,
        learned: Mapping[str, Tensor],
        kernel: str,
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
    ) -> GpSupport:
        """Reads embedded rows ``[t, n, d]``, count columns behind the embedding where there are any."""
        rows, real = _rows(learned, support.x, target_type), support.weight > 0
        targets = coded(support.y, target_type, n_classes)
        residuals = targets - _prior_mean(learned, rows, target_type, n_classes)
        residuals = residuals * real.unsqueeze(-1)
        return cls(learned, kernel, rows, residuals, real, target_type, n_classes)

    def pairs(self) -> Pairs:
        """Pairs of the support's own rows."""
        return Pairs.of(self.rows, self.rows, self.kernel)

    def usual_logs(self) -> Tensor:
        """``[t, 5]`` the learned logarithms of the hyper-parameters."""
        return self.learned[f"metric.logs.{self.target_type}"].double().expand(len(self.real), -1)

    def covariance(self, pairs: Pairs, logs: Tensor) -> Tensor:
        """``[t, n, n]`` of observed values."""
        return noisy(pairs.covariance(logs), logs[:, NOISE].exp(), self.real)

    def predict(self, pairs: Pairs, logs: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Predictive means ``[t, q, c]`` and variances ``[t, q]`` (with noise) of embedded queries.

        Args:
            pairs: Of the support's own rows.
            logs: ``[t, 5]`` hyper-parameters.
            asked: ``[t, q, d]``.
        """
        queries = _rows(self.learned, asked, self.target_type)
        across = Pairs.of(queries, self.rows, self.kernel).covariance(logs) * self.real.unsqueeze(1)
        own = own_variance(queries, self.kernel, logs)
        means, variances = query_posterior(self.covariance(pairs, logs), self.residuals, across, own)
        means = means + _prior_mean(self.learned, queries, self.target_type, self.n_classes)
        return means, variances + logs[:, NOISE, None].exp()

    def scores(self, means: Tensor, variances: Tensor) -> Tensor:
        """Logits ``[t, q, n_classes]`` of what `predict` gives, or values ``[t, q, 1]``."""
        if self.target_type is TargetType.REGRESSION:
            return means
        return class_scores(means, variances, self.target_type)


class DeepKernelLearner(EmbeddingLearner[Options]):
    """A Gaussian process over embedded rows, and beside them over the fingerprint's counts.

    Binary tasks of a problem may share a meaning, so their prior mean is a learned direction of the
    embedding, and the weight of that direction is uncertain. Without it a support of ten would have to say
    again what all tasks have in common.
    """

    training: type[DeepKernelTraining] = DeepKernelTraining

    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """Hyper-parameters per type of target; a usual direction that says nothing yet."""
        start = {kind: _QUIET if kind is TargetType.BINARY else _START for kind in _KINDS}
        return {
            **{
                f"metric.logs.{k}": torch.tensor([s[name] for name in HYPERPARAMETERS])
                for k, s in start.items()
            },
            "metric.usual": torch.zeros(width),
            "metric.offset": torch.tensor(0.0),
            "metric.constant": torch.tensor(0.0),
        }

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """As every embedding is trained, by `losses`.

        Raises:
            ConfigurationError: there is no such kernel.
        """
        check_kernel(str(settings.get("kernel", self.training.kernel)), self.name)
        return super().meta_fit(problem, settings, seed, monitor)

    def network(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]) -> nn.Module:
        """The embedding network; count columns pass beside it where the covariance reads them."""
        network = super().network(facts, arrays)
        columns = _count_columns(arrays)
        wanted = facts["tanimoto"] and facts["image"] is None and len(columns) > 0
        return _BesideCounts(network, columns) if wanted else network


class _BesideCounts(nn.Module):
    """Rows ``[n, width]`` to ``[n, d + f]``: their embedding, and ``f`` of their columns as they are."""

    def __init__(self, network: nn.Module, columns: NDArray[np.int64]) -> None:
        super().__init__()
        self.network = network
        self.columns = torch.from_numpy(columns)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.network(x), x[..., self.columns.to(x.device)]], dim=-1)


def _count_columns(arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.int64]:
    """Places of the counts among the encoded columns; none where the checkpoint has no encoder."""
    if PREFIX + "kept" not in arrays:
        return np.zeros(0, dtype=np.int64)
    encoder = fitted_encoder(arrays)
    return np.flatnonzero(encoder.kinds[encoder.kept] == list(FeatureKind).index(FeatureKind.COUNT))


def _rows(learned: Mapping[str, Tensor], x: Tensor, target_type: TargetType) -> GpRows:
    usual, offset = learned["metric.usual"].double(), learned["metric.offset"].double()
    embedded, counts = x[..., : len(usual)].double(), x[..., len(usual) :]
    common = torch.zeros_like(embedded[..., 0])
    if target_type is TargetType.BINARY:
        common = embedded @ usual + offset
    return GpRows(embedded / len(usual) ** 0.5, common, counts.double() if counts.shape[-1] else None)


def _prior_mean(
    learned: Mapping[str, Tensor], rows: GpRows, target_type: TargetType, n_classes: int
) -> Tensor:
    """``[t, n, 1]``: the usual direction, a class's share of even odds, or a learned constant."""
    if target_type is TargetType.BINARY:
        return rows.usual.unsqueeze(-1)
    if target_type is TargetType.MULTICLASS:
        return torch.full_like(rows.usual, 2.0 / n_classes - 1.0).unsqueeze(-1)
    return learned["metric.constant"].double().expand_as(rows.usual).unsqueeze(-1)
