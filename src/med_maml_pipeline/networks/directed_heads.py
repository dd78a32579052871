"""Heads with directions of their own for any number of classes, for bodies that adapt beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.networks.heads import Heads

__all__ = ["DirectedHeads", "orthonormal_rows"]


@dataclass(frozen=True)
class DirectedHeads(Heads):
    """Heads that start at orthonormal directions, so that a gradient passes through them to the body.

    Binary tasks and regression have heads that are learned from there. Multiclass tasks differ in their
    number of classes: class ``c`` takes direction ``c``, which stays as it is.
    """

    def initial(self, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Directions in place of zeros; biases are zero."""
        start = super().initial(dtype=dtype)
        directed = {
            name: orthonormal_rows(len(value), self.width).to(dtype)
            for name, value in start.items()
            if name.endswith("weight")
        }
        return {**start, **directed}

    def attach(self, parameters: Mapping[str, Tensor], kind: str, n_classes: int) -> dict[str, Tensor]:
        """As `Heads.attach`, a direction for every class of a multiclass task."""
        attached = super().attach(parameters, kind, n_classes)
        if kind == "multiclass":
            name = f"{self.prefix}.weight"
            rows = orthonormal_rows(n_classes, self.width).to(attached[name])
            attached[name] = rows.requires_grad_()  # the inner loop differentiates every parameter
        return attached


def orthonormal_rows(n: int, width: int) -> Tensor:
    """Directions ``[n, width]`` in double precision, always the same; orthonormal by ``width`` at a time.

    The first rows do not depend on ``n``.
    """
    blocks = []
    for block in range(-(-n // width)):
        generator = torch.Generator().manual_seed(block)
        drawn = torch.randn(width, width, generator=generator, dtype=torch.float64)
        blocks.append(torch.linalg.qr(drawn).Q.T)
    return torch.cat(blocks)[:n]
