"""A sequence model that reads a labelled support and then one query: SNAIL."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from med_maml_pipeline.networks.attention import attend
from med_maml_pipeline.networks.target_code import target_code

__all__ = ["Snail"]

States = tuple[Tensor, Tensor]
"""Support ``[b, n, c]`` and queries ``[b, q, c]``, each of which stands alone right after the support."""


class _Convolution(nn.Module):
    """Dilated causal convolution of two taps with a gate; its outputs join its inputs."""

    def __init__(self, inputs: int, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        with torch.device("meta"):
            self.taps = nn.Linear(2 * inputs, 2 * channels)

    def forward(self, states: States, real: Tensor) -> States:
        support, query = states
        n, back = support.shape[1], self.dilation
        before = F.pad(support, (0, 0, back, 0))  # row i of it is row i - back of the support, or zero
        fresh = self._gated(before[:, :n], support) * real.unsqueeze(-1)
        answer = self._gated(before[:, n : n + 1].expand_as(query), query)
        return torch.cat([support, fresh], dim=-1), torch.cat([query, answer], dim=-1)

    def _gated(self, before: Tensor, now: Tensor) -> Tensor:
        value, gate = self.taps(torch.cat([before, now], dim=-1)).chunk(2, dim=-1)
        return value.tanh() * gate.sigmoid()


class _CausalAttention(nn.Module):
    """Attention to oneself and to what came before; what is read joins the inputs."""

    def __init__(self, inputs: int, keys: int, values: int) -> None:
        super().__init__()
        with torch.device("meta"):
            self.query = nn.Linear(inputs, keys)
            self.key = nn.Linear(inputs, keys)
            self.value = nn.Linear(inputs, values)

    def forward(self, states: States, real: Tensor) -> States:
        support, query = states
        keys, values = self.key(support), self.value(support)
        read = attend(self.query(support), keys, values, _causal(real)) * real.unsqueeze(-1)
        return (
            torch.cat([support, read], dim=-1),
            torch.cat([query, self._answer(query, keys, values, real)], dim=-1),
        )

    def _answer(self, query: Tensor, keys: Tensor, values: Tensor, real: Tensor) -> Tensor:
        """Every query sees the support and itself; one softmax over both, nothing copied per query."""
        asking, own = self.query(query), self.key(query)
        to_support = asking @ keys.transpose(1, 2) + real.log().unsqueeze(1)
        to_itself = (asking * own).sum(-1, keepdim=True)
        share = (torch.cat([to_support, to_itself], dim=-1) / math.sqrt(keys.shape[-1])).softmax(-1)
        return share[..., :-1] @ values + share[..., -1:] * self.value(query)


def _causal(real: Tensor) -> Tensor:
    """``[b, n, n]`` bias: a row sees itself and the real rows before it."""
    n = real.shape[1]
    before = torch.ones(n, n, dtype=torch.bool, device=real.device).tril(-1) & (real > 0).unsqueeze(1)
    seen = before | torch.eye(n, dtype=torch.bool, device=real.device)
    return torch.zeros_like(real).unsqueeze(1).masked_fill(~seen, -torch.inf)


class Snail(nn.Module):
    """Attention, convolutions, attention, convolutions, attention (Mishra et al. 2018, few-shot form).

    The support is a sequence of rows with their targets; the query follows it with none. Since nothing looks
    ahead, the support is read once for all its queries, and these never meet. Dilations are 1, 2, 4, …: the
    paper's, which start at 2, would never look at odd distances. Built on the meta device like `MLP`.

    Args:
        inputs: Width of the embedded rows.
        kinds: Kinds of targets.
        width: Width that the rows are brought to, and of the widest keys.
        channels: Channels that a convolution adds.
        span: Sequence length that the convolutions of one block reach over.

    Attributes:
        head_path: Module path of the last layer.
    """

    head_path = "head"

    def __init__(self, inputs: int, kinds: int, width: int, channels: int, span: int) -> None:
        super().__init__()
        self.kinds = kinds
        levels = math.ceil(math.log2(max(span, 2)))
        size = width + 2 * kinds
        layers: list[nn.Module] = []
        for stage, share in enumerate((4, 2, 1)):  # keys and values grow from a quarter of the width
            if stage:
                for level in range(levels):
                    layers.append(_Convolution(size, channels, 2**level))
                    size += channels
            layers.append(_CausalAttention(size, max(width // share, 1), max(width // (2 * share), 1)))
            size += max(width // (2 * share), 1)
        self.layers = nn.ModuleList(layers)
        with torch.device("meta"):
            self.entry = nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width))
            self.head = nn.Linear(size, 1)

    def forward(self, seen: Tensor, values: Tensor, kind: Tensor, weight: Tensor, asked: Tensor) -> Tensor:
        """Outputs ``[b, q]`` of the queries, each alone behind the support.

        Args:
            seen: ``[b, n, inputs]`` embedded support rows, in the order in which they are read.
            values: ``[b, n]`` their targets, see `target_code`.
            kind: ``[kinds]`` one-hot.
            weight: ``[b, n]``; rows of weight zero are padding, wherever they stand.
            asked: ``[b, q, inputs]`` embedded queries.
        """
        order = (
            (weight > 0).to(torch.uint8).argsort(dim=1, stable=True)
        )  # padding in front, where zeros stand
        real = (weight.gather(1, order) > 0).to(seen)
        rows = torch.cat([self.entry(seen), target_code(values, kind)], dim=-1)
        rows = rows.gather(1, order.unsqueeze(-1).expand_as(rows)) * real.unsqueeze(-1)
        states = rows, F.pad(self.entry(asked), (0, 2 * self.kinds))  # a query has no target
        for layer in self.layers:
            states = layer(states, real)
        output: Tensor = self.head(states[1])
        return output.squeeze(-1)
