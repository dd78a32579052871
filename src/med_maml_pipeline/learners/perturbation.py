"""What training does to its inputs so that networks do not learn them by heart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import InputDropout, TypedBatch
from med_maml_pipeline.learners.views import turned
from med_maml_pipeline.tasks.types import ImageShape

__all__ = ["PerturbationOptions", "PictureAugmentation", "perturbation"]

_JITTER = 0.1  # deviation of contrast and of each channel's brightness, in units of half the range

Perturbation = Callable[[TypedBatch], TypedBatch]


@dataclass(frozen=True)
class PictureAugmentation:
    """Turns, mirrors and moves pictures, and changes contrast and colour a little: scanners and stains do.

    Attributes:
        image: Shape of the pictures.
        seed: Seed of the draw.
        step: Update.
    """

    image: ImageShape
    seed: int
    step: int

    def __call__(self, batch: TypedBatch) -> TypedBatch:
        """The batch with every picture of support and query changed by itself."""
        rng = np.random.default_rng((self.seed, self.step, batch.n_classes))
        support, query = (
            self._labelled(rows, rng) for rows in (batch.episodes.support, batch.episodes.query)
        )
        return replace(batch, episodes=EpisodeBatch(support, query))

    def rows(self, x: Tensor) -> Tensor:
        """Pictures ``[n, width]``, each changed by itself."""
        return self._changed(x, np.random.default_rng((self.seed, self.step)))

    def _labelled(self, rows: Labelled, rng: np.random.Generator) -> Labelled:
        return replace(rows, x=self._changed(rows.x.flatten(0, 1), rng).reshape(rows.x.shape))

    def _changed(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        n, channels = len(x), self.image[0]
        contrast = torch.from_numpy(rng.normal(1.0, _JITTER, (n, 1, 1))).to(x)
        brightness = torch.from_numpy(rng.normal(0.0, _JITTER, (n, channels, 1))).to(x)
        planes = turned(x, self.image, rng).reshape(n, channels, -1)
        return (planes * contrast + brightness).flatten(1)


class PerturbationOptions(Protocol):
    """Settings that say how: see `perturbation`."""

    @property
    def input_dropout(self) -> float:
        """Share of columns hidden; not for pictures."""

    @property
    def augment(self) -> bool:
        """Whether to augment; for pictures only."""


def perturbation(
    image: ImageShape | None, options: PerturbationOptions, seed: int, step: int
) -> Perturbation | None:
    """What to do to the batch of one update: hide columns of rows, or augment pictures; None for nothing.

    Args:
        image: Shape of the pictures; None where inputs are rows of numbers.
        options: Settings of the learner.
        seed: Seed of the learner.
        step: Update.
    """
    if image is None:
        return InputDropout(options.input_dropout, seed, step) if options.input_dropout else None
    return PictureAugmentation(image, seed, step) if options.augment else None
