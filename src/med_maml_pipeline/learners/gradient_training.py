"""Settings that every learner has which trains by gradient."""

from __future__ import annotations

from dataclasses import dataclass

from med_maml_pipeline.features.encoder import Scaling

__all__ = ["GradientTraining"]


@dataclass(frozen=True)
class GradientTraining:
    """What the outer loop goes by; learners add settings of their own and other defaults.

    Attributes:
        steps: Updates.
        weight_decay: Of AdamW.
        warmup: Share of the updates in which the rate grows; it then falls as a cosine.
        validate_every: Updates between two looks at validation episodes; 0 never looks.
        patience: Looks without a better one after which training stops; 0 goes to the end.
        device: ``cpu``, ``cuda`` or ``auto`` (a GPU where there is one).
        precision: ``float32``, ``tf32`` or ``bfloat16`` (see `optimise`); the last two are for GPUs.
        scaling: Of numeric inputs: ``robust`` or ``quantile`` (see `Encoder`).
    """

    steps: int
    weight_decay: float
    warmup: float = 0.05
    validate_every: int = 0
    patience: int = 5
    device: str = "cpu"
    precision: str = "float32"
    scaling: Scaling = "robust"
