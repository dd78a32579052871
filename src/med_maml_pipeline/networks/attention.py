"""Scaled dot-product attention in which keys may have weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Attention", "AttentionBlock", "attend"]


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """``softmax(Q Kᵀ / √d + bias) V`` (Vaswani et al. 2017).

    Args:
        queries: ``[..., q, d]``.
        keys: ``[..., n, d]``.
        values: ``[..., n, v]``.
        bias: Broadcasts to ``[..., q, n]``; ``-inf`` hides a key. Every query must see one.

    Returns:
        ``[..., q, v]``.
    """
    logits = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
    return (logits + bias).softmax(-1) @ values


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) whose keys count by weights.

    A key's attention is ``∝ w exp(q·k / √d)``: with equal weights the published form, and a key of weight
    zero plays no part, exactly. Built on the meta device like `MLP`.

    Args:
        width: Width of queries, keys, values and result, a multiple of ``heads``.
        heads: Number of heads.

    Raises:
        ValueError: ``width`` is no multiple of ``heads``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"the width {width} is no multiple of the {heads} heads")
        self.heads = heads
        with torch.device("meta"):
            self.query = nn.Linear(width, width)
            self.key = nn.Linear(width, width)
            self.value = nn.Linear(width, width)
            self.out = nn.Linear(width, width)

    def forward(self, asked: Tensor, keys: Tensor, values: Tensor, weight: Tensor) -> Tensor:
        """Attends to ``keys`` and ``values`` ``[b, n, width]`` of weights ``[b, n]``.

        Args:
            asked: ``[b, q, width]``.
            keys: What the queries are compared with.
            values: What is read.
            weight: Not negative; one at least is positive in every row.

        Returns:
            ``[b, q, width]``.
        """
        bias = weight.log()[:, None, None, :]
        read = attend(
            self._split(self.query(asked)), self._split(self.key(keys)), self._split(self.value(values)), bias
        )
        output: Tensor = self.out(read.transpose(1, 2).flatten(2))
        return output

    def _split(self, x: Tensor) -> Tensor:
        """``[b, n, width]`` to ``[b, heads, n, width / heads]``."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AttentionBlock(nn.Module):
    """Self-attention and a feed-forward layer, each on normalised inputs and added to them.

    The transformer's encoder layer with its normalisation in front (Xiong et al. 2020).

    Args:
        width: Width of the rows.
        heads: Heads of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        with torch.device("meta"):
            self.before_attention = nn.LayerNorm(width)
            self.before_layers = nn.LayerNorm(width)
            self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """Rows ``[b, n, width]`` of weights ``[b, n]`` to rows; those of weight zero are seen by no other."""
        seen = self.before_attention(x)
        x = x + self.attention(seen, seen, seen, weight)
        output: Tensor = x + self.layers(self.before_layers(x))
        return output
