"""The parameters of a `Conv4` as one vector, so that a step of descent is one operation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.inner import Parameters, Rates, rate_of

__all__ = ["BLOCKS", "Layout", "names_of_block"]

BLOCKS = 4


def names_of_block(block: int) -> tuple[str, str, str, str]:
    """Weight and bias of a block's convolution, scale and shift of its normalisation."""
    layers = f"body.{block}.0", f"body.{block}.1"
    return tuple(f"{layer}.{part}" for layer in layers for part in ("weight", "bias"))  # type: ignore[return-value]


@dataclass(frozen=True)
class Layout:
    """Where each parameter lies in the vector: block after block, the head last.

    Attributes:
        shapes: Shapes by name, in the order of the vector.
        order: Order in which the dimensions ``[out, in, 3, 3]`` of a convolution's weight lie.
    """

    shapes: dict[str, tuple[int, ...]]
    order: tuple[int, ...]

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor], order: tuple[int, ...]) -> Layout:
        """Layout of these parameters; a network without a head has none here."""
        names = [name for block in range(BLOCKS) for name in names_of_block(block)]
        names += [name for name in ("head.weight", "head.bias") if name in parameters]
        return cls({name: tuple(parameters[name].shape) for name in names}, order)

    @cached_property
    def body(self) -> int:
        """Numbers before the head."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if not name.startswith("head"))

    def pack(self, values: Mapping[str, Tensor]) -> Tensor:
        """Parameters by name (or anything of their shapes) as one vector."""
        return torch.cat([self._stored(values[name]).reshape(-1) for name in self.shapes])

    def unpack(self, vector: Tensor) -> Parameters:
        """The vector as parameters by name; views of it where the layout allows."""
        pieces = vector.split([math.prod(shape) for shape in self.shapes.values()])
        return {
            name: self._restored(piece, shape)
            for piece, (name, shape) in zip(pieces, self.shapes.items(), strict=True)
        }

    def rates(self, rates: Rates, like: Tensor) -> float | Tensor:
        """Rates as one vector of the type of ``like``, or one number where they are one."""
        if not isinstance(rates, Mapping):
            return rates
        return self.pack(
            {
                name: torch.as_tensor(rate_of(rates, name), dtype=like.dtype).expand(shape)
                for name, shape in self.shapes.items()
            }
        )

    def head(self, vector: Tensor) -> tuple[Tensor, ...]:
        """Weight and bias of the head: views of the vector's end."""
        return tuple(vector[at:end].view(shape) for at, end, shape in self._head_parts)

    @cached_property
    def _head_parts(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """Start, end and shape of weight and bias."""
        at, parts = self.body, []
        for name, shape in self.shapes.items():
            if name.startswith("head"):
                end = at + math.prod(shape)
                parts.append((at, end, shape))
                at = end
        return parts

    def _stored(self, value: Tensor) -> Tensor:
        return value.permute(self.order) if value.dim() == 4 else value

    def _restored(self, piece: Tensor, shape: tuple[int, ...]) -> Tensor:
        if len(shape) != 4:
            return piece.view(shape)
        back = [self.order.index(dimension) for dimension in range(4)]
        return piece.view([shape[dimension] for dimension in self.order]).permute(back).contiguous()
