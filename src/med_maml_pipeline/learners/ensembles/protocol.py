"""What an ensemble is: learned from members' scores on validation episodes, used on those of any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.protocol import Checkpoint

__all__ = ["Ensemble", "LANE", "members_of"]

LANE = "ensemble"


class Ensemble(Protocol):
    """A combination of learners. Instances hold no state: everything learned lives in the checkpoint."""

    name: str

    def fit(self, members: Sequence[str], episodes: Sequence[ScoredEpisode]) -> Checkpoint:
        """Learns from validation episodes.

        Args:
            members: Names of the ``m`` learners.
            episodes: Their scores on validation tasks; may be none.
        """

    def refit(
        self, checkpoint: Checkpoint, members: Sequence[str], episodes: Sequence[ScoredEpisode]
    ) -> Checkpoint:
        """Learns from other episodes with what the checkpoint chose: for scores that are out of sample."""

    def combine(self, checkpoint: Checkpoint, episode: ScoredEpisode) -> NDArray[np.float64]:
        """Scores ``[q, c]`` of an episode on the common scale; a query's do not depend on other queries."""

    def used(self, checkpoint: Checkpoint, episode: ScoredEpisode) -> tuple[str, ...]:
        """Members whose scores count in this episode."""


def members_of(facts: Mapping[str, object]) -> tuple[str, ...]:
    """Names of the members, in the order in which scores are handed over."""
    return tuple(facts["members"])  # type: ignore[arg-type]
