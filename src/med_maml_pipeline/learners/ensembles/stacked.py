"""A weighted sum of all members, its weights learned over validation tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.ensembles.calibration import calibrate
from med_maml_pipeline.learners.ensembles.protocol import members_of
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.ensembles.size_weights import SizeRange
from med_maml_pipeline.learners.ensembles.stacking_fit import CHOICES, Choice, fit_weights
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["Stacked"]


class Stacked:
    """Meta-learned stacking (Wolpert 1992; weights not negative: Breiman 1996) on logits or values.

    Every lane's prediction counts with a weight that is a smooth function of support size: the zero-shot
    prior, adapted lanes, the kernel's residual, the forest. All members were meta-trained on other tasks and
    other groups than those that teach the weights, so the scores that they are learned from are cross-fitted.
    A weight may be nothing, so where adaptation does not help the prior is what remains. Scale and threshold
    of the sum are fitted to the prevalence of the queries, so that its probabilities mean something.
    """

    name = "stacked"

    def fit(self, members: Sequence[str], episodes: Sequence[ScoredEpisode]) -> Checkpoint:
        """Learns the weights; classes and numbers have their own. Labels teach as binary targets do."""
        return self._fit(members, episodes, {})

    def refit(
        self, checkpoint: Checkpoint, members: Sequence[str], episodes: Sequence[ScoredEpisode]
    ) -> Checkpoint:
        """The weights that other episodes teach, as free as the checkpoint's."""
        return self._fit(members, episodes, checkpoint.facts)

    def _fit(
        self, members: Sequence[str], episodes: Sequence[ScoredEpisode], chosen: Mapping[str, Any]
    ) -> Checkpoint:
        arrays: dict[str, NDArray[np.generic]] = {}
        facts: dict[str, object] = {"members": list(members)}
        lessons = [one for episode in episodes for one in episode.by_label() if one.can_teach]
        for kind, own in _by_kind(lessons).items():
            fixed = chosen.get(kind)
            choices = [Choice(fixed["contrast"], float(fixed["pull"]))] if fixed else CHOICES
            ends, choice = fit_weights(own, choices)
            sizes = SizeRange.of(episode.n_support for episode in own)
            arrays[f"{kind}.weights"] = ends
            if not own[0].numeric:
                fitted = calibrate(own, sizes, ends)
                arrays[f"{kind}.weights"] = ends * fitted.scale[:, None]
                arrays[f"{kind}.threshold"] = fitted.threshold
            facts[kind] = {
                "smallest": sizes.smallest,
                "largest": sizes.largest,
                "contrast": choice.contrast,
                "pull": str(choice.pull),  # JSON knows no infinity
            }
        return Checkpoint(self.name, arrays, facts)

    def combine(self, checkpoint: Checkpoint, episode: ScoredEpisode) -> NDArray[np.float64]:
        """The weighted sum ``[q, c]``, with the threshold where there are two classes."""
        weights = self._weights(checkpoint, episode)
        known = _known(episode)
        total = np.asarray(np.einsum("m,mqc->qc", weights[known], episode.z[known]))
        if episode.target_type is TargetType.BINARY:
            return total + self._threshold(checkpoint, episode) * np.array([-0.5, 0.5])
        if episode.target_type is TargetType.MULTILABEL:
            return total + self._threshold(checkpoint, episode)
        return total

    def used(self, checkpoint: Checkpoint, episode: ScoredEpisode) -> tuple[str, ...]:
        """Members with a score and a weight at this support size; all with a score if none has both."""
        weights = self._weights(checkpoint, episode)
        return tuple(n for n, w in zip(members_of(checkpoint.facts), weights, strict=True) if w > 0)

    @staticmethod
    def _weights(checkpoint: Checkpoint, episode: ScoredEpisode) -> NDArray[np.float64]:
        kind, known = _kind(episode), _known(episode)
        if f"{kind}.weights" in checkpoint.arrays:
            ends = checkpoint.arrays[f"{kind}.weights"].astype(np.float64)
            weights = known * _sizes(checkpoint, kind).weights(ends, episode.n_support)
            if weights.any():
                return weights
        return known / known.sum()  # no validation task of this kind taught anything of these members

    @staticmethod
    def _threshold(checkpoint: Checkpoint, episode: ScoredEpisode) -> float:
        kind = _kind(episode)
        if f"{kind}.threshold" not in checkpoint.arrays:
            return 0.0
        basis = _sizes(checkpoint, kind).basis(episode.n_support)
        return float(basis @ checkpoint.arrays[f"{kind}.threshold"].astype(np.float64))


def _sizes(checkpoint: Checkpoint, kind: str) -> SizeRange:
    return SizeRange(checkpoint.facts[kind]["smallest"], checkpoint.facts[kind]["largest"])


def _known(episode: ScoredEpisode) -> NDArray[np.bool_]:
    """Members ``[m]`` that have a score here."""
    return np.asarray(~np.isnan(episode.z).any(axis=(1, 2)))


def _kind(episode: ScoredEpisode) -> str:
    return "numbers" if episode.numeric else "classes"


def _by_kind(episodes: Sequence[ScoredEpisode]) -> dict[str, list[ScoredEpisode]]:
    kinds: dict[str, list[ScoredEpisode]] = {}
    for episode in episodes:
        kinds.setdefault(_kind(episode), []).append(episode)
    return kinds
