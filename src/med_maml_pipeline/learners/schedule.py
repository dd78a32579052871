"""How long a meta-training lasts, at which rates, and when it looks at validation episodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from med_maml_pipeline.learners.gradient_training import GradientTraining

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then cosine decay to zero (Loshchilov & Hutter 2017); early stopping.

    Attributes:
        steps: Updates.
        learning_rate: The highest rate.
        weight_decay: Decoupled, of matrices.
        warmup: Share of the updates in which the rate grows to the highest.
        validate_every: Updates between two looks at validation episodes; 0 never looks.
        patience: Looks without a better one after which training stops; 0 goes to the end. The parameters of
            the best look are kept in any case.
    """

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    warmup: float = 0.0
    validate_every: int = 0
    patience: int = 0

    @classmethod
    def of(cls, options: GradientTraining, learning_rate: float) -> Schedule:
        """The schedule that a learner's settings ask for."""
        return cls(
            options.steps,
            learning_rate,
            options.weight_decay,
            options.warmup,
            options.validate_every,
            options.patience,
        )

    def rate(self, step: int) -> float:
        """Learning rate of update ``step`` (0-based): a pure function, so that it needs no saving."""
        rising = round(self.warmup * self.steps)
        if step < rising:
            return self.learning_rate * (step + 1) / (rising + 1)
        return self.learning_rate * (1 + math.cos(math.pi * (step - rising) / (self.steps - rising))) / 2

    def validates(self, done: int) -> bool:
        """Whether validation episodes are looked at after ``done`` updates."""
        return bool(self.validate_every) and (done % self.validate_every == 0 or done == self.steps)

    def records(self, done: int) -> bool:
        """Whether the learning curve has a point after ``done`` updates: every fiftieth of the way."""
        return done % max(self.steps // 50, 1) == 0 or done == self.steps or self.validates(done)
