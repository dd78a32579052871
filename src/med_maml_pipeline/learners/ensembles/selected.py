"""The one learner that validation tasks chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.learners.ensembles.protocol import members_of
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.metrics.choice import choose_learner
from med_maml_pipeline.metrics.scores import selection_score

__all__ = ["Selected"]

_COLUMNS = ["family", "support_size", "metric", "learner", "value", "n_episodes"]


class Selected:
    """Per task family and support size, the learner with the best validation score, of whatever lane.

    A family that has no validation task takes what is best over those of its problem, a size the nearest one
    (see `choose_learner`). The rival of every combination: with few validation tasks the choice is noisy.
    """

    name = "selected"

    def fit(self, members: Sequence[str], episodes: Sequence[ScoredEpisode]) -> Checkpoint:
        """Scores every member on every validation episode."""
        rows = [row for episode in episodes for row in _scores(members, episode)]
        table = pd.DataFrame(rows, columns=[*_COLUMNS[:-1], "task"]).dropna()
        keys = ["family", "support_size", "metric", "learner"]
        by_task = table.groupby([*keys, "task"])["value"].mean().reset_index()
        cells = by_task.groupby(keys)["value"].agg(["mean", "size"]).reset_index()
        cells = cells.set_axis(_COLUMNS, axis=1)
        facts = {"members": list(members), "validation": cells.to_dict("records")}
        return Checkpoint(self.name, {}, facts)

    def refit(
        self, checkpoint: Checkpoint, members: Sequence[str], episodes: Sequence[ScoredEpisode]
    ) -> Checkpoint:
        """The same: there is no choice beside that of the learner."""
        return self.fit(members, episodes)

    def combine(self, checkpoint: Checkpoint, episode: ScoredEpisode) -> NDArray[np.float64]:
        """Scores ``[q, c]`` of the chosen member."""
        (chosen,) = self.used(checkpoint, episode)
        scores: NDArray[np.float64] = episode.z[members_of(checkpoint.facts).index(chosen)]
        return scores

    def used(self, checkpoint: Checkpoint, episode: ScoredEpisode) -> tuple[str, ...]:
        """The chosen member; the first one where validation tells nothing."""
        members = members_of(checkpoint.facts)
        table = pd.DataFrame(checkpoint.facts["validation"], columns=_COLUMNS)
        able = [name for name, z in zip(members, episode.z, strict=True) if not np.isnan(z).any()]
        chosen = choose_learner(
            table.assign(chosen=True, problem="", fold=0),
            able,
            problem="",
            fold=0,
            family=episode.family,
            regression=episode.numeric,
            support_size=episode.support_size,
        )
        return (chosen or able[0],)


def _scores(members: Sequence[str], episode: ScoredEpisode) -> list[tuple[object, ...]]:
    """A row per member: family, support size, metric, learner, value, task."""
    rows: list[tuple[object, ...]] = []
    for name, z in zip(members, episode.z, strict=True):
        if not np.isnan(z).any():
            metric, value = selection_score(episode.target_type, episode.y, z)
            place = (episode.family, episode.support_size)
            rows.append((*place, metric, name, value, episode.task_id))
    return rows
