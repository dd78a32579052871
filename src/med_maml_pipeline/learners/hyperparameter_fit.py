"""Hyper-parameters of a Gaussian process fitted to a support, and the gradient through that fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.learners.covariances import LENGTH, NOISE, SCALE, Pairs
from med_maml_pipeline.learners.gaussian_process import negative_log_likelihood, noisy

__all__ = ["SupportPosterior", "fit_hyperparameters", "through_fit"]

_ENOUGH = 1e-8  # gradient at which a fit has converged
_ROUNDING = 1e-12  # relative rise of the value that still counts as none
_FLAT = 1e-3  # least curvature that a step divides by
_LONGEST = 2.0  # step, in units of a logarithm


@dataclass(frozen=True)
class SupportPosterior:
    """Negative log posterior of log hyper-parameters: marginal likelihood, and a normal prior on each.

    The prior keeps a fit to two rows finite; Chen et al. (2023) have such a one on the lengthscale.

    Attributes:
        pairs: Of the support with itself.
        residuals: ``[t, n, c]`` coded targets minus their prior mean; zero where padded.
        real: ``[t, n]`` False where padded.
        centre: ``[t, 5]`` means of the prior.
        deviation: Its standard deviation.
    """

    pairs: Pairs
    residuals: Tensor
    real: Tensor
    centre: Tensor
    deviation: float

    def covariance(self, logs: Tensor) -> Tensor:
        """``[t, n, n]`` of observed values."""
        return noisy(self.pairs.covariance(logs), logs[:, NOISE].exp(), self.real)

    def value(self, logs: Tensor) -> Tensor:
        """``[t]``, up to the prior's constant."""
        prior = 0.5 * ((logs - self.centre) / self.deviation).square().sum(-1)
        return negative_log_likelihood(self.covariance(logs), self.residuals, self.real) + prior

    def gradient(self, logs: Tensor) -> Tensor:
        """``[t, 5]`` in closed form (Rasmussen & Williams 2006, 5.9), differentiable by all that it reads."""
        _, slopes = self._slopes(logs)
        inverse = self._inverse(logs)
        return self._likelihood_gradient(slopes, inverse, inverse @ self.residuals) + self._pull(logs)

    def hessian(self, logs: Tensor) -> Tensor:
        """``[t, 5, 5]`` in closed form."""
        bend, slopes = self._slopes(logs)
        inverse = self._inverse(logs)
        solved, outputs = inverse @ self.residuals, self.residuals.shape[-1]
        moved, products = slopes @ solved.unsqueeze(1), inverse.unsqueeze(1) @ slopes
        fit = torch.einsum("tinc,tjnc->tij", moved, inverse.unsqueeze(1) @ moved)
        hessian = fit - 0.5 * outputs * torch.einsum("tinm,tjmn->tij", products, products)
        # Each term is exponential in its own logarithm, so its second derivative is its first.
        own = self._likelihood_gradient(slopes, inverse, solved)
        crossed = own[:, LENGTH].clone()
        own[:, LENGTH] = self._likelihood_gradient(bend.unsqueeze(1), inverse, solved)[:, 0]
        hessian = hessian + torch.diag_embed(own)
        hessian[:, SCALE, LENGTH] += crossed
        hessian[:, LENGTH, SCALE] += crossed
        return hessian + torch.eye(logs.shape[-1]).to(logs) / self.deviation**2

    def _pull(self, logs: Tensor) -> Tensor:
        return (logs - self.centre) / self.deviation**2

    def _inverse(self, logs: Tensor) -> Tensor:
        return torch.cholesky_inverse(torch.linalg.cholesky(self.covariance(logs)))

    def _slopes(self, logs: Tensor) -> tuple[Tensor, Tensor]:
        """The covariance's second derivative by the length ``[t, n, n]``, and all first ``[t, 5, n, n]``."""
        both = (self.real.unsqueeze(1) & self.real.unsqueeze(2)).to(logs)
        slopes, bend = self.pairs.slopes(logs)
        noise = torch.diag_embed(logs[:, NOISE : NOISE + 1].exp() * self.real)
        return bend * both, torch.cat([slopes * both.unsqueeze(1), noise.unsqueeze(1)], 1)

    @staticmethod
    def _likelihood_gradient(slopes: Tensor, inverse: Tensor, solved: Tensor) -> Tensor:
        """``½ (c tr(K⁻¹ D) - tr(αᵀ D α))`` of derivatives ``D`` ``[t, k, n, n]``: ``[t, k]``."""
        towards = solved @ solved.mT  # Σ over outputs of ααᵀ
        return 0.5 * (slopes * (solved.shape[-1] * inverse - towards).unsqueeze(1)).sum((-2, -1))


def fit_hyperparameters(posterior: SupportPosterior, iterations: int) -> Tensor:
    """The mode ``[t, 5]``, by Newton steps within a trust region; deterministic, task by task independent.

    Where the Hessian is indefinite its eigenvalues count by their size (Dauphin et al. 2014). A step that
    does not lower the value is taken back, and that task's next one is shorter.
    """
    with torch.no_grad():
        logs = posterior.centre.clone()
        value, gradient, hessian = _expanded(posterior, logs)
        radius = torch.full_like(value, _LONGEST / 2)
        for _ in range(iterations):
            if gradient.abs().max() < _ENOUGH:
                break
            tried = logs + _step(gradient, hessian, radius)
            expanded = _expanded(posterior, tried)
            better = expanded[0] <= value + _ROUNDING * value.abs()
            radius = torch.where(better, 2.0 * radius, 0.25 * radius).clamp(max=_LONGEST)
            logs = torch.where(better[:, None], tried, logs)
            value = torch.where(better, expanded[0], value)
            gradient = torch.where(better[:, None], expanded[1], gradient)
            hessian = torch.where(better[:, None, None], expanded[2], hessian)
        return logs


def through_fit(posterior: SupportPosterior, logs: Tensor) -> Tensor:
    """The same numbers, with the gradient that the implicit function theorem gives the mode.

    One Newton step from the mode moves nothing, and its derivative ``-H⁻¹ ∂²L/∂θ∂ψ`` is that of the mode by
    embeddings, prior mean and centre alike (Lorraine et al. 2020; Chen et al. 2023).

    Args:
        posterior: With the graph of what it depends on.
        logs: ``[t, 5]`` its mode.
    """
    at = logs.detach()
    with torch.no_grad():
        solve = _absolute_inverse(posterior.hessian(at))
    gradient = posterior.gradient(at)
    return at - (solve @ (gradient - gradient.detach()).unsqueeze(-1)).squeeze(-1)


def _expanded(posterior: SupportPosterior, logs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return posterior.value(logs), posterior.gradient(logs), posterior.hessian(logs)


def _step(gradient: Tensor, hessian: Tensor, radius: Tensor) -> Tensor:
    step = -(_absolute_inverse(hessian) @ gradient.unsqueeze(-1)).squeeze(-1)
    return step * (radius / step.norm(dim=-1).clamp(min=1e-30)).clamp(max=1.0).unsqueeze(-1)


def _absolute_inverse(hessian: Tensor) -> Tensor:
    """``|H|⁻¹`` ``[t, k, k]``; the inverse where ``H`` is positive definite, as at a mode."""
    values, vectors = torch.linalg.eigh(hessian)
    return (vectors / values.abs().clamp(min=_FLAT).unsqueeze(-2)) @ vectors.mT
