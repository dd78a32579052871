"""Distances of queries from points in the embedding: what prototypical networks differ in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["closeness_by_cosine", "mahalanobis_distances", "squared_distances"]

_SHORTEST = 1e-4  # vectors shorter than this have no direction to speak of; keeps gradients finite at zero


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """``[t, q, d]`` and ``[t, n, d]`` to ``[t, q, n]``; differences first, so that near ties stay exact."""
    return (left.unsqueeze(2) - right.unsqueeze(1)).square().sum(-1)


def closeness_by_cosine(left: Tensor, right: Tensor) -> Tensor:
    """Cosines ``[t, q, n]`` of the angles between ``[t, q, d]`` and ``[t, n, d]``."""
    one, other = (F.normalize(rows, dim=-1, eps=_SHORTEST) for rows in (left, right))
    return one @ other.transpose(1, 2)


def mahalanobis_distances(asked: Tensor, points: Tensor, seen: Tensor, members: Tensor) -> Tensor:
    """Half the squared Mahalanobis distances ``[t, q, n]``, by the regularised covariance of each class.

    The covariance of a class is ``λ S_k + (1 - λ) S + I``, where ``S_k`` is that of its ``n_k`` examples,
    ``S`` that of the whole support and ``λ = n_k / (n_k + 1)`` (Bateni et al. 2020, equations 1 and 2).

    Args:
        asked: ``[t, q, d]``.
        points: ``[t, n, d]``, class by class: one prototype each, or the support itself as one class.
        seen: ``[t, s, d]`` support.
        members: ``[t, s, c]`` 1 where an example belongs to a class, 0 where not and where padded.
    """
    # In double precision: a covariance may be ill-conditioned where the embedding has grown.
    rows, belongs = seen.double(), members.double()
    share = belongs.sum(1) / (belongs.sum(1) + 1)
    within = _covariances(rows, belongs)
    whole = _covariances(rows, belongs.sum(2, keepdim=True))
    eye = torch.eye(rows.shape[-1], dtype=rows.dtype, device=rows.device)
    mixed = share[..., None, None] * within + (1 - share)[..., None, None] * whole + eye
    root = torch.linalg.cholesky(mixed)
    own = points.double().unflatten(1, (members.shape[2], -1))
    ends = torch.linalg.solve_triangular(root, own.transpose(2, 3), upper=False)
    starts = torch.linalg.solve_triangular(root, asked.double().transpose(1, 2).unsqueeze(1), upper=False)
    distances = squared_distances(starts.transpose(2, 3).flatten(0, 1), ends.transpose(2, 3).flatten(0, 1))
    by_class = distances.unflatten(0, members.shape[::2])
    return 0.5 * by_class.transpose(1, 2).flatten(2).to(asked)


def _covariances(rows: Tensor, members: Tensor) -> Tensor:
    """Unbiased covariances ``[t, c, d, d]`` of the members ``[t, s, c]``; zero for fewer than two."""
    counts = members.sum(1).unsqueeze(-1)
    means = members.transpose(1, 2) @ rows / counts.clamp(min=1)
    apart = (rows.unsqueeze(1) - means.unsqueeze(2)) * members.transpose(1, 2).unsqueeze(-1)
    return apart.transpose(2, 3) @ apart / (counts - 1).clamp(min=1).unsqueeze(-1)
