"""The learning rates of a descent as tensors that autograd can hand gradients to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.conv4.layout import Layout
from med_maml_pipeline.bilevel.inner import Rates, RatesByStep, rate_of, rates_at

__all__ = ["RatePlan"]


@dataclass(frozen=True)
class RatePlan:
    """Rates of every step.

    Attributes:
        steps: Rates, one entry per step.
        tensors: Every tensor among them, once.
    """

    steps: list[Rates]
    tensors: list[Tensor]

    @classmethod
    def of(cls, rates: RatesByStep, steps: int) -> RatePlan:
        """The plan of ``steps`` steps."""
        by_step = [rates_at(rates, step) for step in range(steps)]
        entries = [value for entry in by_step if isinstance(entry, Mapping) for value in entry.values()]
        tensors = {id(value): value for value in entries if isinstance(value, Tensor)}
        return cls(by_step, list(tensors.values()))

    def vectors(self, layout: Layout, like: Tensor) -> list[float | Tensor]:
        """Rates in the parameters' layout; steps that share their rates share the vector."""
        made: dict[int, float | Tensor] = {}
        for entry in self.steps:
            if id(entry) not in made:
                made[id(entry)] = layout.rates(entry, like)
        return [made[id(entry)] for entry in self.steps]

    def gradients(self, layout: Layout, by_step: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of ``tensors`` from those of every step in the parameters' layout."""
        totals = {id(tensor): torch.zeros_like(tensor) for tensor in self.tensors}
        for entry, vector in zip(self.steps, by_step, strict=True):
            for name, gradient in layout.unpack(vector).items():
                rate = rate_of(entry, name)
                if isinstance(rate, Tensor):
                    totals[id(rate)] += gradient.sum_to_size(rate.shape).to(rate.dtype)
        return [totals[id(tensor)] for tensor in self.tensors]
