"""The best parameters so far, and when to give up looking for better ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["BestSoFar"]


@dataclass
class BestSoFar:
    """What validation episodes liked best.

    Attributes:
        value: Best validation metric so far; higher is better.
        step: Updates done then; 0 before the first look that gave a number.
        misses: Looks since then that were not better.
        parameters: Copies of the parameters then.
    """

    value: float = float("-inf")
    step: int = 0
    misses: int = 0
    parameters: dict[str, Tensor] = field(default_factory=dict)

    def look(self, value: float, step: int, parameters: Mapping[str, Tensor]) -> None:
        """Takes a look into account; one without a number (NaN) is never better."""
        if value > self.value:
            self.value, self.step, self.misses = value, step, 0
            self.parameters = {name: tensor.detach().clone() for name, tensor in parameters.items()}
        else:
            self.misses += 1

    def exhausted(self, patience: int) -> bool:
        """Whether ``patience`` looks in a row were not better; never with 0."""
        return 0 < patience <= self.misses
