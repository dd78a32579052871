"""Settings of MAML: meta-training and adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from med_maml_pipeline.bilevel import InnerLoop
from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.gradient_training import EpisodeTraining

__all__ = ["FixedRates", "MamlAdaptation", "MamlTraining"]


@dataclass(frozen=True)
class MamlTraining(EpisodeTraining):
    """Settings of meta-training, beside those of `EpisodeTraining`.

    Attributes:
        inner_lr: Inner rate, in units of the inverse curvature of each layer (see `initial_log_rates`).
        inner_steps: Inner steps.
        inner_momentum: Momentum of the inner loop.
        inner_clip: Largest norm of a task's gradient in an inner step; 0 lets any pass.
        learn_inner_lr: Learn one rate per layer along with the parameters.
        centre: Take the support's mean, under the parameters of the moment, from the features that the head
            sees, for support and queries alike.
        balanced: Let both classes of a task count alike in the query loss, whatever their prevalence.
        memory_mib: Memory for the graphs of a meta-update, in MiB; tasks are taken as many at once as fit.
    """

    hidden: tuple[int, ...] = (128, 64)
    inner_lr: float = 0.5
    inner_steps: int = 3
    inner_momentum: float = 0.0
    inner_clip: float = 0.0
    learn_inner_lr: bool = True
    centre: bool = False
    balanced: bool = False
    memory_mib: float = 1024.0

    @property
    def inner_loop(self) -> InnerLoop:
        """The inner loop of meta-training."""
        clip = self.inner_clip or None
        return InnerLoop(self.inner_steps, self.inner_momentum, clip, centred=self.centre)


@dataclass(frozen=True)
class FixedRates(MamlTraining):
    """Settings of relatives whose outer gradient says nothing of the inner rates.

    Raises:
        ConfigurationError: ``learn_inner_lr`` is asked for.
    """

    learn_inner_lr: bool = False

    def __post_init__(self) -> None:
        if self.learn_inner_lr:
            raise ConfigurationError(
                "'learn_inner_lr' was set for a learner whose rates have no gradient; leave it false and "
                "choose 'inner_lr'."
            )


@dataclass(frozen=True)
class MamlAdaptation:
    """Settings of adaptation.

    Attributes:
        adapt_steps: Gradient steps on the support; 0 scores with the meta-learned start.
        adapt_lr_scale: Multiplies the inner rates.
        views: 8 averages a picture's scores over its rotations and reflections.
    """

    adapt_steps: int = 5
    adapt_lr_scale: float = 1.0
    views: int = 1
