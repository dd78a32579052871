"""A transformer that reads a support set as its context, for tables of any width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from med_maml_pipeline.networks.attention import attend
from med_maml_pipeline.networks.column_evidence import (
    CELL_FEATURES,
    COLUMN_FEATURES,
    ColumnEvidence,
    column_evidence,
)

__all__ = ["IDENTITY", "InContext"]

IDENTITY = 4
"""Length of the vector that a column may carry, where tables share their columns."""


class _Block(nn.Module):
    """Attention of all rows to those of the support, then two layers on each row; normalised first.

    What a row attends to depends on tokens, and falls with its distance in the columns.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.reach = nn.Parameter(torch.empty(heads))

    def forward(self, rows: Tensor, distance: Tensor, weight: Tensor) -> Tensor:
        """Rows ``[b, n + q, d]``, distances ``[b, h, n + q, n]``, weights ``[b, n]`` of the support."""
        seen = self.before(rows)
        shown = seen[:, : weight.shape[1]]
        bias = weight.log()[:, None, None] - F.softplus(self.reach).reshape(-1, 1, 1) * distance
        read = attend(
            self._split(self.query(seen)), self._split(self.key(shown)), self._split(self.value(shown)), bias
        )
        rows = rows + self.out(read.transpose(1, 2).flatten(2))
        output: Tensor = rows + self.layers(self.between(rows))
        return output

    def _split(self, rows: Tensor) -> Tensor:
        """``[b, r, d]`` to ``[b, h, r, d / h]``."""
        return rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class InContext(nn.Module):
    """Cells to rows by attention over columns, rows to scores by attention over the support.

    The order of columns plays no part, nor does that of support rows; a query attends to the support alone.
    Built on the meta device: structure and no numbers, see `initial_parameters`.

    Args:
        cell: Width of the tokens of cells and columns.
        row: Width of the tokens of rows, a multiple of ``heads``.
        blocks: Number of blocks over rows.
        heads: Attention heads, over columns as over rows.
        kinds: Number of kinds of targets.

    Raises:
        ValueError: ``row`` is no multiple of ``heads``.
    """

    head_path = "head"

    def __init__(self, cell: int, row: int, blocks: int, heads: int, kinds: int) -> None:
        super().__init__()
        if row % heads:
            raise ValueError(f"the width of rows ({row}) is no multiple of the number of heads ({heads})")
        with torch.device("meta"):
            self.column = nn.Linear(COLUMN_FEATURES + IDENTITY + kinds, cell)
            self.told = nn.Linear(cell, cell)
            self.own = nn.Linear(IDENTITY, cell, bias=False)
            self.cell = nn.Linear(CELL_FEATURES, cell)
            self.normed = nn.LayerNorm(cell)
            self.focus = nn.Linear(cell, heads)
            self.metric = nn.Linear(cell, heads)
            self.row = nn.Linear(heads * cell + 2 + kinds, row)
            self.target = nn.Linear(1, row)
            self.blocks = nn.ModuleList(_Block(row, heads) for _ in range(blocks))
            self.last = nn.LayerNorm(row)
            self.head = nn.Linear(row, 1)

    def forward(
        self, x: Tensor, y: Tensor, weight: Tensor, asked: Tensor, identity: Tensor, kind: Tensor
    ) -> Tensor:
        """Scores ``[b, q]`` of the queries: log odds of 1 against -1, or values.

        Args:
            x: ``[b, n, k]`` support.
            y: ``[b, n]`` ±1, or standardised values.
            weight: ``[b, n]``, 1 in all; zero where padded.
            asked: ``[b, q, k]`` queries.
            identity: ``[b, k, IDENTITY]`` vectors of the columns; zeros where columns have no name.
            kind: ``[kinds]`` one-hot.
        """
        n, evidence = x.shape[1], column_evidence(x, y, weight, asked)
        kinds = kind.expand(*evidence.columns.shape[:2], -1)
        columns = F.silu(self.column(torch.cat([evidence.columns, identity, kinds], -1)))
        rows = self._rows(evidence, columns, identity, kind)
        rows = torch.cat([rows[:, :n] + self.target(y.unsqueeze(-1)), rows[:, n:]], 1)
        distance = self._distance(evidence, columns, n)
        for block in self.blocks:
            rows = block(rows, distance, weight)
        scores: Tensor = self.head(self.last(rows[:, n:])).squeeze(-1)
        return scores

    def _rows(self, evidence: ColumnEvidence, columns: Tensor, identity: Tensor, kind: Tensor) -> Tensor:
        """Tokens ``[b, n + q, row]``: cells, pooled over the columns that each head looks at."""
        cells = self.cell(evidence.cells) + self.told(columns).unsqueeze(1)
        cells = cells + evidence.values.unsqueeze(-1) * self.own(identity).unsqueeze(1)
        weights = _over_columns(self.focus(columns), evidence.live)
        pooled = torch.einsum("bhk,brkd->brhd", weights, F.silu(self.normed(cells))).flatten(2)
        task = torch.cat([evidence.sizes, kind.expand(len(pooled), -1)], -1)
        rows: Tensor = self.row(torch.cat([pooled, task.unsqueeze(1).expand(-1, pooled.shape[1], -1)], -1))
        return rows

    def _distance(self, evidence: ColumnEvidence, columns: Tensor, n: int) -> Tensor:
        """Squared distance ``[b, h, n + q, n]`` of rows to support rows, a mean over columns per head."""
        weights = _over_columns(self.metric(columns), evidence.live).unsqueeze(2)
        values = evidence.values.unsqueeze(1)
        support = values[:, :, :n]
        squares = (weights * values**2).sum(-1, keepdim=True)
        crossed = (weights * values) @ support.transpose(-1, -2)
        return squares + squares[:, :, :n].transpose(-1, -2) - 2 * crossed


def _over_columns(scores: Tensor, live: Tensor) -> Tensor:
    """Weights ``[b, h, k]`` over live columns from scores ``[b, k, h]``; zero where none is live."""
    hidden = live.any(-1, keepdim=True) & ~live  # a softmax over nothing is not defined
    masked = scores.transpose(-1, -2).masked_fill(hidden.unsqueeze(1), -torch.inf)
    return masked.softmax(-1) * live.unsqueeze(1)
