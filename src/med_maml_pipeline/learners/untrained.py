"""Control: the network before any training, with the head of the linear probe."""

from __future__ import annotations

from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.pretraining import Pretraining, untrained_network
from med_maml_pipeline.learners.protocol import Checkpoint, Settings
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.learners.transfer import LinearProbe
from med_maml_pipeline.tasks.types import Problem

__all__ = ["Untrained"]


class Untrained(LinearProbe):
    """A linear probe on random features: same inputs, same structure, same head, nothing learned.

    What the linear probe gains over this row is what pre-training gave it.
    """

    name = "untrained"
    lane = "control"
    trunk = "untrained"
    meta_grid: tuple[Settings, ...] = ({},)
    picture_meta_grid = meta_grid

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Draws the network and measures its features; trains nothing."""
        checkpoint = untrained_network(
            problem, read_settings(Pretraining, settings, self.name), seed, self.name
        )
        monitor.progress(1, 1, {})
        return checkpoint
