"""A multilayer perceptron cut after its first linear layer, so that the inner loop can exploit the cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["MLP", "Activation", "Tail"]

Activation = Literal["silu", "relu"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU}


class Tail(nn.Module):
    """All that follows the first layer: ``body`` to the embedding, ``head`` to the outputs."""

    def __init__(self, body: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, z: Tensor) -> Tensor:
        """Pre-activations ``[..., hidden[0]]`` to outputs ``[..., outputs]``."""
        output: Tensor = self.head(self.body(z))
        return output


class MLP(nn.Module):
    """``first`` (linear), then ``tail``: activations, further layers, head.

    The module is built on the meta device: it holds structure and no numbers. Call it with
    ``torch.func.functional_call`` and a dictionary from `initial_parameters`.

    Args:
        inputs: Width of the input.
        hidden: Widths of the hidden layers, at least one; the last is the width of the embedding.
        outputs: Width of the head; None leaves it out, so that the output is the embedding.
        activation: ``silu`` (smooth) or ``relu``.
        layer_norm: Normalise each hidden layer over its units (Ba et al. 2016); inductive, unlike batch
            normalisation.

    Attributes:
        embedding: Width of the embedding.
        head_path: Module path of the head.
    """

    head_path = "tail.head"

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int | None,
        activation: Activation = "silu",
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("an MLP needs at least one hidden layer")
        self.embedding = hidden[-1]
        with torch.device("meta"):
            self.first = nn.Linear(inputs, hidden[0])
            layers: list[nn.Module] = []
            for position, width in enumerate(hidden):
                if position > 0:
                    layers.append(nn.Linear(hidden[position - 1], width))
                if layer_norm:
                    layers.append(nn.LayerNorm(width))
                layers.append(_ACTIVATIONS[activation]())
            head = nn.Identity() if outputs is None else nn.Linear(hidden[-1], outputs)
            self.tail = Tail(nn.Sequential(*layers), head)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs ``[..., inputs]`` to outputs ``[..., outputs]``."""
        output: Tensor = self.tail(self.first(x))
        return output
