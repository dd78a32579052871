"""Covariance of a deep-kernel Gaussian process: a kernel of embeddings, the usual direction, Tanimoto."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.errors import ConfigurationError

__all__ = [
    "HYPERPARAMETERS",
    "KERNELS",
    "LENGTH",
    "NOISE",
    "SCALE",
    "GpRows",
    "Pairs",
    "check_kernel",
    "own_variance",
    "tanimoto_pairs",
]

KERNELS = ("rbf", "matern", "linear", "cosine")
HYPERPARAMETERS = ("scale", "lengthscale", "usual", "tanimoto", "noise")
"""Logarithms of: the deep kernel's variance, its length, the variances of the weight of the usual direction
and of the Tanimoto term, the variance of the noise."""
SCALE, LENGTH, NOISE = (HYPERPARAMETERS.index(name) for name in ("scale", "lengthscale", "noise"))

_TINY = 1e-24  # squared distance below which a root has no gradient


def check_kernel(kernel: str, learner: str) -> None:
    """Refuses a kernel that does not exist.

    Raises:
        ConfigurationError: the message lists those that do.
    """
    if kernel not in KERNELS:
        raise ConfigurationError(
            f"learner '{learner}': unknown kernel '{kernel}'; expected one of: {', '.join(KERNELS)}."
        )


@dataclass(frozen=True)
class GpRows:
    """What the covariance reads of rows of ``t`` tasks, in double precision.

    Attributes:
        embedded: ``[t, n, d]``.
        usual: ``[t, n]`` what the tasks have in common says of each row; zero where they have nothing.
        counts: ``[t, n, f]`` non-negative; None where the covariance has no Tanimoto term.
    """

    embedded: Tensor
    usual: Tensor
    counts: Tensor | None


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows of two sets: all of the covariance that does not depend on the hyper-parameters.

    Attributes:
        kernel: One of `KERNELS`.
        deep: ``[t, n, m]`` squared distances of embeddings (``rbf``, ``matern``), else the kernel itself.
        usual: ``[t, n, m]`` products.
        tanimoto: ``[t, n, m]`` similarities, or None.
    """

    kernel: str
    deep: Tensor
    usual: Tensor
    tanimoto: Tensor | None

    @classmethod
    def of(cls, left: GpRows, right: GpRows, kernel: str) -> Pairs:
        """Pairs of ``left`` ``[t, n, …]`` and ``right`` ``[t, m, …]``."""
        tanimoto = None
        if left.counts is not None and right.counts is not None:
            tanimoto = tanimoto_pairs(left.counts, right.counts)
        usual = left.usual.unsqueeze(2) * right.usual.unsqueeze(1)
        return cls(kernel, _deep(left.embedded, right.embedded, kernel), usual, tanimoto)

    def covariance(self, logs: Tensor) -> Tensor:
        """``[t, n, m]`` under hyper-parameters ``[t, 5]``, without noise."""
        scale, length, usual, tanimoto, _ = logs.exp()[..., None, None].unbind(1)
        total = scale * _shape(self.kernel, self.deep, length)[0] + usual * self.usual
        return total if self.tanimoto is None else total + tanimoto * self.tanimoto

    def slopes(self, logs: Tensor) -> tuple[Tensor, Tensor]:
        """First derivatives ``[t, 4, n, m]`` by all but the noise; the second by the length ``[t, n, m]``."""
        scale, length, usual, tanimoto, _ = logs.exp()[..., None, None].unbind(1)
        value, slope, bend = _shape(self.kernel, self.deep, length)
        similar = torch.zeros_like(value) if self.tanimoto is None else tanimoto * self.tanimoto
        return torch.stack([scale * value, scale * slope, usual * self.usual, similar], 1), scale * bend


def own_variance(rows: GpRows, kernel: str, logs: Tensor) -> Tensor:
    """Prior variance ``[t, n]`` of each row under hyper-parameters ``[t, 5]``."""
    scale, _, usual, tanimoto, _ = logs.exp().unsqueeze(-1).unbind(1)
    deep = rows.embedded.square().sum(-1) if kernel == "linear" else torch.ones_like(rows.usual)
    total = scale * deep + usual * rows.usual.square()
    return total if rows.counts is None else total + tanimoto


def tanimoto_pairs(left: Tensor, right: Tensor) -> Tensor:
    """``Σ min / Σ max`` of ``[t, n, f]`` and ``[t, m, f]`` (see `tanimoto`); common factors cancel out."""
    apart = torch.stack([_apart(one, other) for one, other in zip(left, right, strict=True)])
    both = left.sum(-1).unsqueeze(2) + right.sum(-1).unsqueeze(1)
    return torch.where(both > 0, (both - apart) / torch.where(both > 0, both + apart, 1.0), 1.0)


def _apart(left: Tensor, right: Tensor) -> Tensor:
    """``Σ |a - b|`` ``[n, m]``; a few molecules leave most of a fingerprint's columns empty."""
    used = (left > 0).any(0) | (right > 0).any(0)
    return torch.cdist(left[:, used], right[:, used], p=1.0)


def _deep(left: Tensor, right: Tensor, kernel: str) -> Tensor:
    if kernel == "linear":
        return left @ right.mT
    if kernel == "cosine":
        return torch.nn.functional.normalize(left, dim=-1) @ torch.nn.functional.normalize(right, dim=-1).mT
    squares = left.square().sum(-1).unsqueeze(2) + right.square().sum(-1).unsqueeze(1)
    return (squares - 2.0 * left @ right.mT).clamp(min=_TINY)


def _shape(kernel: str, deep: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Kernel of unit variance, and its first two derivatives by the logarithm of the length."""
    if kernel == "rbf":
        ratio = deep / length.square()
        value = (-0.5 * ratio).exp()
        return value, value * ratio, value * ratio * (ratio - 2.0)
    if kernel == "matern":
        root = (5.0 * deep).sqrt() / length
        decay, third = (-root).exp(), root.square() / 3.0
        return (
            decay * (1.0 + root + third),
            decay * third * (1.0 + root),
            -decay * third * (2.0 + 2.0 * root - root.square()),
        )
    return deep, torch.zeros_like(deep), torch.zeros_like(deep)
