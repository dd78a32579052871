"""Settings that every learner has which trains by gradient."""

from __future__ import annotations

from dataclasses import dataclass

from med_maml_pipeline.features.encoder import Scaling

__all__ = ["EpisodeTraining", "GradientTraining"]


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


@dataclass(frozen=True)
class EpisodeTraining(GradientTraining):
    """What learners have in common that embed the rows of training episodes by a network.

    Attributes:
        meta_batch: Tasks per meta-update.
        shots: Support examples per class (in all for regression).
        query: Query examples per task.
        hidden: Widths of the hidden layers.
        outer_lr: Rate of AdamW.
        input_dropout: Share of the input columns hidden from a task, the same in support and query.
        backbone: Network for pictures: ``conv4`` or ``resnet12``.
        filters: Its (first) number of channels.
        augment: Turn, mirror, move and recolour pictures during training.
    """

    steps: int = 600
    meta_batch: int = 16
    shots: int = 10
    query: int = 32
    hidden: tuple[int, ...] = (128,)
    outer_lr: float = 3e-3
    weight_decay: float = 0.01
    input_dropout: float = 0.0
    backbone: str = "conv4"
    filters: int = 32
    augment: bool = True
