"""What accompanies a meta-training without being part of its data: progress, state, validation, company."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from med_maml_pipeline.learners.protocol import Checkpoint, ProgressCallback, silent
from med_maml_pipeline.learners.state_file import StateFile
from med_maml_pipeline.learners.world import World

__all__ = ["Judge", "Monitor"]

Judge = Callable[[Checkpoint], float]
"""The validation metric of a checkpoint; higher is better, NaN where undefined."""


@dataclass(frozen=True)
class Monitor:
    """Handed to every meta-training. The default watches nothing and keeps nothing.

    Attributes:
        progress: Told after each update.
        state: Where training saves its state, and goes on from; None to keep nothing.
        judge: Validation metric; None where there are no validation episodes.
        world: The processes that train together.
    """

    progress: ProgressCallback = silent
    state: StateFile | None = None
    judge: Judge | None = None
    world: World = World()
