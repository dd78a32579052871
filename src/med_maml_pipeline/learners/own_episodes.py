"""The training episodes of one update that this process computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from med_maml_pipeline.learners.episode_batches import TypedBatch, batches
from med_maml_pipeline.learners.perturbation import PerturbationOptions, perturbation
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import Problem

__all__ = ["EpisodeOptions", "own_episodes"]


class EpisodeOptions(PerturbationOptions, Protocol):
    """Settings that say which episodes are drawn."""

    @property
    def meta_batch(self) -> int:
        """Tasks per update."""

    @property
    def shots(self) -> int:
        """Support examples per class."""

    @property
    def query(self) -> int:
        """Query examples per task."""


def own_episodes(
    problem: Problem, inputs: ResidentInputs, options: EpisodeOptions, seed: int, step: int, world: World
) -> Iterator[TypedBatch]:
    """Batches of one update, in the order of their heads; a pure function of its arguments.

    The whole meta-batch is drawn and perturbed, then divided: see `World`.

    Args:
        problem: With the meta-training tasks.
        inputs: Their rows.
        options: Number and size of episodes; what is done to inputs.
        seed: Seed of the learner.
        step: Update.
        world: The processes that train together.

    Yields:
        Perturbed rows on the device, or what `ResidentInputs.rows` makes rows of.
    """
    drawn = training_batch(problem, seed, step, options.meta_batch, options.shots, options.query)
    perturbed = perturbation(inputs.inputs.image, options, seed, step)
    for batch in batches(inputs, drawn, "cpu"):
        seen = batch if perturbed is None else perturbed(inputs.rows(batch))
        own = seen.part(world.own)
        if len(own):
            yield own
