"""Gaussian processes of many tasks at once, in double precision; padded rows change nothing."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.tasks.types import TargetType

__all__ = [
    "class_scores",
    "coded",
    "noisy",
    "query_posterior",
    "negative_log_density",
    "negative_log_likelihood",
]

_JITTER = 1e-6
"""Added to the noise, in units of coded targets (±1, or standardised): keeps Cholesky's factors finite."""


def noisy(kernel: Tensor, noise: Tensor, real: Tensor) -> Tensor:
    """Covariance of observed values: noise on the diagonal, padded rows as independent unit normals.

    Args:
        kernel: ``[t, n, n]`` covariance of the latent function.
        noise: ``[t]`` variance of the noise.
        real: ``[t, n]`` False where padded.
    """
    both = (real.unsqueeze(1) & real.unsqueeze(2)).to(kernel)
    diagonal = torch.where(real, noise.unsqueeze(-1) + _JITTER, torch.ones_like(noise).unsqueeze(-1))
    return kernel * both + torch.diag_embed(diagonal)


def negative_log_likelihood(covariance: Tensor, residuals: Tensor, real: Tensor) -> Tensor:
    """Negative log marginal likelihood ``[t]``, summed over the outputs (Rasmussen & Williams 2006, 2.30).

    Args:
        covariance: ``[t, n, n]`` as `noisy` makes it.
        residuals: ``[t, n, c]`` coded targets minus their prior mean; zero where padded.
        real: ``[t, n]`` False where padded.
    """
    outputs = residuals.shape[-1]
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, residuals, upper=False)
    half_determinant = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = 0.5 * math.log(2 * math.pi) * real.to(covariance).sum(-1)
    return 0.5 * white.square().sum((-2, -1)) + outputs * (half_determinant + constant)


def query_posterior(
    covariance: Tensor, residuals: Tensor, across: Tensor, own: Tensor
) -> tuple[Tensor, Tensor]:
    """Posterior of the latent function at queries, without the prior mean (ibid., 2.25 and 2.26).

    Args:
        covariance: ``[t, n, n]`` of the support's observed values.
        residuals: ``[t, n, c]``.
        across: ``[t, q, n]`` covariance of queries and support; zero where padded.
        own: ``[t, q]`` prior variance of each query.

    Returns:
        Means ``[t, q, c]`` and variances ``[t, q]``, without noise.
    """
    factor = torch.linalg.cholesky(covariance)
    means = across @ torch.cholesky_solve(residuals, factor)
    explained = torch.linalg.solve_triangular(factor, across.mT, upper=False).square().sum(-2)
    return means, (own - explained).clamp(min=0.0)


def negative_log_density(means: Tensor, variances: Tensor, targets: Tensor) -> Tensor:
    """``-log N(y; mean, variance)`` of each row ``[t, q]``, summed over the outputs.

    Args:
        means / targets: ``[t, q, c]``.
        variances: ``[t, q]``, with noise.
    """
    spread = variances.unsqueeze(-1)
    return 0.5 * ((targets - means).square() / spread + (2 * math.pi * spread).log()).sum(-1)


def coded(y: Tensor, target_type: TargetType, n_classes: int) -> Tensor:
    """Targets ``[t, n]`` as ``[t, n, c]`` values: ±1 for classes, one against the rest where more than two.

    Two classes need one output: the other's is its negative.
    """
    if target_type is TargetType.REGRESSION:
        return y.double().unsqueeze(-1)
    if target_type is TargetType.BINARY:
        return 2.0 * y.double().unsqueeze(-1) - 1.0
    return 2.0 * F.one_hot(y, n_classes).double() - 1.0


def class_scores(means: Tensor, variances: Tensor, target_type: TargetType) -> Tensor:
    """Logits ``[t, q, n_classes]``: the log-probability that a class's noisy value is positive.

    Args:
        means: ``[t, q, c]`` as `coded` has the outputs.
        variances: ``[t, q]``, with noise.
        target_type: Binary or multiclass; the softmax of binary logits is the probit ``Φ(mean / deviation)``.
    """
    margins = means / variances.sqrt().unsqueeze(-1)
    if target_type is TargetType.BINARY:
        margins = torch.cat([-margins, margins], dim=-1)
    return torch.special.log_ndtr(margins)
