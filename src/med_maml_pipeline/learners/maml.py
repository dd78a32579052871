"""Second-order model-agnostic meta-learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from med_maml_pipeline.bilevel import InnerLoop, RatesByStep, adapt
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES, TypedBatch
from med_maml_pipeline.learners.gradient_adaptation import Descent, predictor_by_gradient
from med_maml_pipeline.learners.layer_rates import initial_log_rates, rates_from_logs
from med_maml_pipeline.learners.maml_settings import MamlAdaptation, MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_inputs import NetworkInputs, encode_for_network
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.own_episodes import own_episodes
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import Heads, Network, initial_parameters
from med_maml_pipeline.tasks.types import MetaSplit, Problem, Support

__all__ = ["Maml"]


class Maml:
    """MAML (Finn et al. 2017) with the full second-order meta-gradient and learned rates per layer.

    Meta-training looks for a start from which few gradient steps on a support set give a network that does
    well on the queries. Rates are learned one per layer, as in Antoniou et al. (2019), who have one per
    step too. Binary tasks share a head, see `Heads`. How many steps to take on a new task, none included,
    is left to validation tasks.
    """

    name = "maml"
    lane = "optimisation"
    training: type[MamlTraining] = MamlTraining
    adaptation: type[MamlAdaptation] = MamlAdaptation
    meta_grid: tuple[Settings, ...] = (
        {},
        {"balanced": True},
        {"input_dropout": 0.2},
        {"outer_lr": 1e-3},
        {"hidden": (256, 64)},
        {"inner_steps": 5},
    )
    picture_meta_grid: tuple[Settings, ...] = tuple(
        {**PICTURE_EPISODES, **settings}
        for settings in (
            {},
            {"centre": True},
            {"outer_lr": 1e-3},
            {"filters": 64},
            {"augment": False},
            {"inner_steps": 5},
            {"backbone": "resnet12", "filters": 16},
        )
    )
    picture_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "adapt_lr_scale": 1.0, "views": views}
        for steps, views in ((5, 8), (10, 8), (3, 8), (20, 8), (5, 1), (0, 1))
    )
    adapt_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "adapt_lr_scale": scale}
        for steps, scale in (
            (3, 1.0),
            (0, 1.0),
            (5, 1.0),
            (10, 1.0),
            (3, 0.3),
            (20, 1.0),
            (50, 1.0),
            (3, 3.0),
        )
    )

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Meta-trains start and rates on the meta-training tasks."""
        options = read_settings(self.training, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed, options.scaling)
        facts = {**inputs.facts, **asdict(options)}
        network = network_of(facts, outputs=1)
        heads = self.heads(network)
        start = {**_trunk(initial_parameters(network, seed), network), **heads.initial()}
        rates = self.initial_rates(network, options, inputs.mean_square_norm())
        learned = MetaLearned.leaves(
            network, heads, start, rates, options.device, learn_rates=options.learn_inner_lr
        )
        resident = ResidentInputs.of(inputs, options.device)

        def drawn_at(step: int) -> Iterator[TypedBatch]:
            return own_episodes(problem, resident, options, seed, step, monitor.world)

        def checkpoint() -> Checkpoint:
            return Checkpoint(self.name, {**inputs.arrays, **learned.arrays()}, facts)

        return optimise(
            learned.learned(),
            self.meta_loss(learned, options, resident).losses_at(drawn_at),
            Schedule.of(options, options.outer_lr),
            checkpoint,
            monitor,
            precision=options.precision,
        )

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Descends from the meta-learned start on the support loss."""
        options = read_settings(self.adaptation, settings, self.name)
        facts = checkpoint.facts
        network = network_of(facts, outputs=1)
        learned = MetaLearned.read(
            network, self.heads(network), checkpoint.arrays, facts["device"], precision_of(facts)
        )
        return predictor_by_gradient(
            facts,
            learned.start(support.target_type, support.n_classes),
            support,
            encode_for_network(checkpoint, support),
            self.rates(learned, support.target_type, options.adapt_steps, options.adapt_lr_scale),
            self.inner_loop(facts, options),
            views=options.views,
            descent=self.descent(facts, options),
        )

    # What relatives of MAML override, beside the settings above ------------------------------------------

    def heads(self, network: Network) -> Heads:
        """What the last layer of a task starts from."""
        return Heads(network.embedding, network.head_path)

    def initial_rates(
        self, network: Network, options: MamlTraining, mean_square_norm: float
    ) -> dict[str, Tensor]:
        """First values of what `rates` reads, see `initial_log_rates`; learned with ``learn_inner_lr``."""
        return initial_log_rates(network, options.inner_lr, mean_square_norm)

    def rates(self, learned: MetaLearned, kind: str, steps: int, scale: float = 1.0) -> RatesByStep:
        """Inner rates of a task, in training and at adaptation.

        Args:
            learned: With the tensors that `initial_rates` has set.
            kind: Type of the task's target.
            steps: Inner steps to come.
            scale: Multiplies the rates.
        """
        return rates_from_logs(learned.rates, scale)

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """What is minimised over the meta-training tasks."""
        return MetaLoss(learned, self.rates, options, resident)

    def inner_loop(self, facts: Mapping[str, Any], options: MamlAdaptation) -> InnerLoop:
        """The inner loop of adaptation; that of meta-training is a property of its settings."""
        clip = facts["inner_clip"] or None
        return InnerLoop(options.adapt_steps, facts["inner_momentum"], clip, centred=facts["centre"])

    def descent(self, facts: Mapping[str, Any], options: MamlAdaptation) -> Descent:
        """How a new task gets from start and support to its own parameters."""
        return adapt


def _trunk(parameters: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    return {name: v for name, v in parameters.items() if not name.startswith(f"{network.head_path}.")}
