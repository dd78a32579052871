"""What each cell says of the target when its column is read alone: the tokens of an in-context network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["CELL_FEATURES", "COLUMN_FEATURES", "ColumnEvidence", "association", "column_evidence"]

CELL_FEATURES = 6
COLUMN_FEATURES = 8
_CLIP = 5.0
_FLAT = 1e-6  # a column with less deviation than this on the support says nothing
_WIDTHS = (0.3, 1.0)  # of the kernels, in deviations of the column


@dataclass(frozen=True)
class ColumnEvidence:
    """Tokens of ``b`` supports of ``n`` rows, with ``q`` queries each, read through ``k`` columns.

    Attributes:
        values: ``[b, n + q, k]`` cells, standardised on the support; zero where padded.
        cells: ``[b, n + q, k, CELL_FEATURES]``. Those of a support row were made without its own target.
        columns: ``[b, k, COLUMN_FEATURES]``.
        sizes: ``[b, 2]`` logarithms of the number of rows and of live columns.
        live: ``[b, k]`` whether a column varies on the support.
    """

    values: Tensor
    cells: Tensor
    columns: Tensor
    sizes: Tensor
    live: Tensor


def association(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Association ``[b, w]`` of columns ``[b, n, w]`` with targets ``[b, n]``: the mean of their products.

    Where targets have mean 0 and deviation 1 in these weights, as ±1 of two sides that count alike have, it
    is the correlation. It is 0 where a column is flat.
    """
    centre, slope, _ = _scale(x, weight)
    return torch.einsum("bn,bnw->bw", y * weight, (x - centre) * slope)


def column_evidence(x_support: Tensor, y: Tensor, weight: Tensor, x_query: Tensor) -> ColumnEvidence:
    """Computes the tokens; nothing in it is learned, and no query sees another.

    Args:
        x_support: ``[b, n, k]`` encoded support, no missing cells.
        y: ``[b, n]`` ±1, or standardised values.
        weight: ``[b, n]`` weights of the rows, 1 in all; zero where padded.
        x_query: ``[b, q, k]`` encoded queries.
    """
    n = x_support.shape[1]
    centre, slope, live = _scale(x_support, weight)
    values = ((torch.cat([x_support, x_query], 1) - centre) * slope).clamp(-_CLIP, _CLIP)
    values[:, :n] *= (weight > 0).unsqueeze(-1)
    total = torch.einsum("bn,bnk->bk", y * weight, values[:, :n])
    rows = 1 / weight.square().sum(1)  # as many as weigh alike (Kish 1965)
    sizes = torch.stack([rows.log() - 3, live.sum((1, 2)).to(values).log1p() - 3], -1)
    cells = _cells(values, y, weight, total, rows)
    columns = _columns(values[:, :n], weight, total, rows)
    width = sizes.unsqueeze(1).expand(-1, values.shape[-1], -1)
    return ColumnEvidence(values, cells, torch.cat([columns, width], -1), sizes, live.squeeze(1))


def _scale(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, inverse deviation (0 where flat) and whether it is not, ``[b, 1, k]`` each."""
    shares = weight.unsqueeze(-1)
    centre = (x * shares).sum(1, keepdim=True)
    spread = ((x - centre) ** 2 * shares).sum(1, keepdim=True).sqrt()
    live = spread > _FLAT
    return centre, torch.where(live, 1 / spread.clamp(min=_FLAT), 0.0), live


def _cells(values: Tensor, y: Tensor, weight: Tensor, total: Tensor, rows: Tensor) -> Tensor:
    """Value, its product with the slope, value towards the target, strength, and two kernel means."""
    n = y.shape[1]
    own = torch.zeros_like(values[..., :1])
    own[:, :n, 0] = weight  # of the row itself, which is left out; 0 for a query
    targets = torch.zeros_like(own)
    targets[:, :n, 0] = y
    left = (1 - own).clamp(min=_FLAT)
    slope = ((total.unsqueeze(1) - own * targets * values) / left).clamp(-_CLIP, _CLIP)
    strength = slope * rows.reshape(-1, 1, 1).sqrt()
    linear = [values, slope * values, torch.tanh(3 * strength) * values, strength.abs()]
    return torch.stack([*linear, *(_kernel_mean(values, y, weight, rows, width) for width in _WIDTHS)], -1)


def _kernel_mean(values: Tensor, y: Tensor, weight: Tensor, rows: Tensor, width: float) -> Tensor:
    """Mean target ``[b, n + q, k]`` of the support rows near a cell (Nadaraya 1964, Watson 1964).

    A row of target 0 counts as near, so that it is 0 where no row is; a support row leaves itself out.
    """
    n = y.shape[1]
    near = torch.exp(-0.5 * ((values.unsqueeze(2) - values[:, None, :n]) / width) ** 2)  # [b, n + q, n, k]
    itself = torch.eye(values.shape[1], n, dtype=torch.bool, device=values.device)
    near = near.masked_fill(itself.unsqueeze(-1), 0.0) * (weight * rows.unsqueeze(1))[:, None, :, None]
    return (near * y[:, None, :, None]).sum(2) / (1 + near.sum(2))


def _columns(values: Tensor, weight: Tensor, total: Tensor, rows: Tensor) -> Tensor:
    """Strength of the association with its sign and without, its rank, and the shape of the column."""
    shape = [torch.einsum("bn,bnk->bk", weight, values**power) for power in (3, 4)]
    strength = total * rows.sqrt().unsqueeze(1)
    weaker = (total.abs().unsqueeze(-1) < total.abs().unsqueeze(-2)).to(values).sum(-1)
    features = [strength, strength.abs(), total.abs(), weaker.log1p() - 2]
    return torch.stack([*features, shape[0] / 3, shape[1].log1p() - 1], -1)
