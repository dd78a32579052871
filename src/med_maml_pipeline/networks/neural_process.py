"""Neural processes without a latent variable: the support is read once, no gradient is taken."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from med_maml_pipeline.networks.attention import Attention, AttentionBlock
from med_maml_pipeline.networks.mlp import MLP
from med_maml_pipeline.networks.target_code import target_code

__all__ = ["AttentiveProcess", "ConditionalProcess"]


class ConditionalProcess(nn.Module):
    """Conditional neural process (Garnelo et al. 2018): encode each pair, average, decode.

    A pair of input and target becomes ``r_i = h(x_i, y_i)``, a support their weighted mean ``r``, and a query
    the output ``g(x, r)``. The decoder and its last layer also see the product of query and ``r``: so scores
    may be linear in the query with weights made from the support, as in Requeima et al. (2019), which is
    learned from far fewer tasks than a perceptron's way of comparing. Built on the meta device like `MLP`.

    Args:
        inputs: Width of the embedded rows.
        kinds: Kinds of targets.
        width: Width of the representation and of all hidden layers.

    Attributes:
        head_path: Module path of the last layer.
    """

    head_path = "head"

    def __init__(self, inputs: int, kinds: int, width: int) -> None:
        super().__init__()
        with torch.device("meta"):
            self.entry = nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width))
            self.head = nn.Linear(2 * width, 1)
        self.encoder = MLP(width + 2 * kinds, (width, width), width)
        self.decoder = MLP(3 * width, (width, width), None)

    def forward(self, seen: Tensor, values: Tensor, kind: Tensor, weight: Tensor, asked: Tensor) -> Tensor:
        """Outputs ``[b, q]`` of the queries; those of one support do not see each other.

        Args:
            seen: ``[b, n, inputs]`` embedded support rows.
            values: ``[b, n]`` their targets, see `target_code`.
            kind: ``[kinds]`` one-hot.
            weight: ``[b, n]`` what each counts; sums to 1, zero where padded.
            asked: ``[b, q, inputs]`` embedded queries.
        """
        seen, asked = self.entry(seen), self.entry(asked)
        pairs = self.encoder(torch.cat([seen, target_code(values, kind)], dim=-1))
        read = self.read(seen, pairs, weight, asked)
        both = asked * read
        hidden = self.decoder(torch.cat([asked, read, both], dim=-1))
        output: Tensor = self.head(torch.cat([hidden, both], dim=-1))
        return output.squeeze(-1)

    def read(self, seen: Tensor, pairs: Tensor, weight: Tensor, asked: Tensor) -> Tensor:
        """What the queries learn of the support: ``[b, q, width]``, here the same for all."""
        mean = weight.unsqueeze(1) @ pairs
        return mean.expand(-1, asked.shape[1], -1)


class AttentiveProcess(ConditionalProcess):
    """Attentive neural process (Kim et al. 2019), deterministic path: queries read what is like them.

    Self-attention lets the pairs of a support see each other; a query then attends to the inputs of the
    support and reads their representations. The latent path is left out.

    Args:
        inputs: Width of the embedded rows.
        kinds: Kinds of targets.
        width: Width of the representation, a multiple of ``heads``.
        heads: Heads of every attention.
        layers: Layers of self-attention.
    """

    def __init__(self, inputs: int, kinds: int, width: int, heads: int, layers: int) -> None:
        super().__init__(inputs, kinds, width)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(layers))
        self.cross = Attention(width, heads)

    def read(self, seen: Tensor, pairs: Tensor, weight: Tensor, asked: Tensor) -> Tensor:
        """Attention of the queries ``[b, q, width]`` over the support."""
        for block in self.blocks:
            pairs = block(pairs, weight)
        output: Tensor = self.cross(asked, seen, pairs, weight)
        return output
