"""One set of meta-learned heads for tasks of every target type and number of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Heads"]


@dataclass(frozen=True)
class Heads:
    """The last linear layers that tasks of one problem start from.

    Binary tasks share a head of two logits. Multiclass tasks differ in their number of classes, so every
    class starts at zero: before adaptation all classes score alike, and their order does not matter. (One
    learned vector for every class, as in UnicornMAML by Ye & Chao 2022, raises all logits alike and changes
    no prediction and no gradient.) Regression has a head of one value on the standardised target.

    Attributes:
        width: Width of the embedding.
        prefix: Module path of the head in the network.
    """

    width: int
    prefix: str = "tail.head"

    def initial(self, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Zero heads: chance before meta-training."""
        rows = {"binary": 2, "regression": 1}
        return {
            f"heads.{kind}.{part}": torch.zeros((n, self.width) if part == "weight" else (n,), dtype=dtype)
            for kind, n in rows.items()
            for part in ("weight", "bias")
        }

    def attach(self, parameters: Mapping[str, Tensor], kind: str, n_classes: int) -> dict[str, Tensor]:
        """Parameters of the network for tasks of one type: the trunk and the head that fits.

        Args:
            parameters: Meta-parameters, the heads among them.
            kind: ``binary``, ``multiclass`` or ``regression``.
            n_classes: Number of classes (multiclass only).
        """
        trunk = {name: value for name, value in parameters.items() if not name.startswith("heads.")}
        if kind == "multiclass":
            like = parameters["heads.binary.weight"]
            # Leaves of their own: the inner loop differentiates every parameter.
            weight = like.new_zeros(n_classes, self.width, requires_grad=True)
            bias = like.new_zeros(n_classes, requires_grad=True)
        else:
            weight, bias = parameters[f"heads.{kind}.weight"], parameters[f"heads.{kind}.bias"]
        return {**trunk, f"{self.prefix}.weight": weight, f"{self.prefix}.bias": bias}
