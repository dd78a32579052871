"""Second-order model-agnostic meta-learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from torch import Tensor

from med_maml_pipeline.bilevel import EpisodeBatch, InnerLoop, TaskChunks, query_losses
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES, TypedBatch, balance, batches, loss_of
from med_maml_pipeline.learners.gradient_adaptation import predictor_by_gradient
from med_maml_pipeline.learners.layer_rates import initial_log_rates, rates_from_logs
from med_maml_pipeline.learners.meta_step import EpisodeLosses
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_arrays, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs, encode_for_network
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.perturbation import perturbation
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import Heads, Network, initial_parameters
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import MetaSplit, Problem, Support, TargetType

__all__ = ["Maml", "MamlAdaptation", "MamlTraining"]


@dataclass(frozen=True)
class MamlTraining:
    """Settings of meta-training.

    Attributes:
        steps: Meta-updates.
        meta_batch: Tasks per meta-update.
        shots: Support examples per class (in all for regression).
        query: Query examples per task.
        hidden: Widths of the hidden layers.
        inner_lr: Inner rate, in units of the inverse curvature of each layer (see `initial_log_rates`).
        inner_steps: Inner steps.
        inner_momentum: Momentum of the inner loop.
        inner_clip: Largest norm of a task's gradient in an inner step; 0 lets any pass.
        learn_inner_lr: Learn one rate per layer along with the parameters.
        outer_lr: Rate of AdamW.
        weight_decay: Of AdamW.
        warmup: Share of the updates in which the rate grows; it then falls as a cosine.
        validate_every: Updates between two looks at validation episodes; 0 never looks.
        patience: Looks without a better one after which training stops; 0 goes to the end.
        balanced: Let both classes of a task count alike in the query loss, whatever their prevalence.
        input_dropout: Share of the input columns hidden from a task, the same in support and query.
        backbone: Network for pictures: ``conv4`` or ``resnet12``.
        filters: Its (first) number of channels.
        augment: Turn, mirror, move and recolour pictures during training.
        memory_mib: Memory for the graphs of a meta-update, in MiB; tasks are taken as many at once as fit.
        device: ``cpu``, ``cuda`` or ``auto`` (a GPU where there is one).
        precision: ``float32``, ``tf32`` or ``bfloat16`` (see `optimise`); the last two are for GPUs.
    """

    steps: int = 600
    meta_batch: int = 16
    shots: int = 10
    query: int = 32
    hidden: tuple[int, ...] = (128, 64)
    inner_lr: float = 0.5
    inner_steps: int = 3
    inner_momentum: float = 0.0
    inner_clip: float = 0.0
    learn_inner_lr: bool = True
    outer_lr: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    validate_every: int = 0
    patience: int = 5
    balanced: bool = False
    input_dropout: float = 0.0
    backbone: str = "conv4"
    filters: int = 32
    augment: bool = True
    memory_mib: float = 1024.0
    device: str = "cpu"
    precision: str = "float32"

    @property
    def inner_loop(self) -> InnerLoop:
        """The inner loop of meta-training."""
        return InnerLoop(self.inner_steps, self.inner_momentum, self.inner_clip or None)


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


class Maml:
    """MAML (Finn et al. 2017) with the full second-order meta-gradient and learned rates per layer.

    Meta-training looks for a start from which few gradient steps on a support set give a network that does
    well on the queries. Rates are learned one per layer, as in Antoniou et al. (2019), who have one per
    step too. Binary tasks share a head, see `Heads`. How many steps to take on a new task, none included,
    is left to validation tasks.
    """

    name = "maml"
    lane = "optimisation"
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
        options = read_settings(MamlTraining, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed)
        facts = {**inputs.facts, **asdict(options)}
        network = network_of(facts, outputs=1)
        heads = Heads(network.embedding, network.head_path)
        start = {**_trunk(initial_parameters(network, seed), network), **heads.initial()}
        logs = initial_log_rates(network, options.inner_lr, inputs.mean_square_norm())
        parameters = {name: value.to(options.device).requires_grad_() for name, value in start.items()}
        log_rates = {
            name: value.to(options.device).requires_grad_(options.learn_inner_lr)
            for name, value in logs.items()
        }
        learned = {**parameters, **(log_rates if options.learn_inner_lr else {})}
        resident = ResidentInputs.of(inputs, options.device)
        meta_loss = _MetaLoss(network, heads, parameters, log_rates, options, resident)

        def drawn_at(step: int) -> Iterator[TypedBatch]:
            drawn = training_batch(problem, seed, step, options.meta_batch, options.shots, options.query)
            perturbed = perturbation(inputs.image, options, seed, step)
            for batch in batches(resident, drawn, "cpu"):
                seen = batch if perturbed is None else perturbed(resident.rows(batch))
                own = seen.part(monitor.world.own)
                if len(own):
                    yield own

        def checkpoint() -> Checkpoint:
            tensors = {**to_arrays(parameters, "network."), **to_arrays(log_rates, "log_rates.")}
            arrays = {**inputs.arrays, **tensors}
            return Checkpoint(self.name, arrays, facts)

        schedule = Schedule.of(options, options.outer_lr)
        losses_at = EpisodeLosses(drawn_at, meta_loss.parts, meta_loss.fewer)
        return optimise(learned, losses_at, schedule, checkpoint, monitor, precision=options.precision)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Descends from the meta-learned start on the support loss."""
        options = read_settings(MamlAdaptation, settings, self.name)
        facts = checkpoint.facts
        network = network_of(facts, outputs=1)
        heads = Heads(network.embedding, network.head_path)
        device, precision = facts["device"], precision_of(facts)
        parameters = to_tensors(checkpoint.arrays, "network.", device=device, dtype=precision)
        logs = to_tensors(checkpoint.arrays, "log_rates.", device=device, dtype=precision)
        return predictor_by_gradient(
            facts,
            heads.attach(parameters, support.target_type, support.n_classes),
            support,
            encode_for_network(checkpoint, support),
            rates_from_logs(logs, options.adapt_lr_scale),
            InnerLoop(options.adapt_steps, facts["inner_momentum"], facts["inner_clip"] or None),
            views=options.views,
        )


def _trunk(parameters: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    return {name: v for name, v in parameters.items() if not name.startswith(f"{network.head_path}.")}


class _MetaLoss:
    """Loss on the queries after the inner loop, as a function of the meta-learned tensors."""

    def __init__(
        self,
        network: Network,
        heads: Heads,
        parameters: Mapping[str, Tensor],
        log_rates: Mapping[str, Tensor],
        options: MamlTraining,
        resident: ResidentInputs,
    ) -> None:
        self._network, self._heads, self._parameters = network, heads, parameters
        self._log_rates, self._options, self._resident = log_rates, options, resident
        self._chunks, self._taken = TaskChunks(options.memory_mib), 0

    def parts(self, drawn: TypedBatch) -> Iterator[Tensor]:
        """The batch's part of the loss, of as many tasks at a time as fit the memory budget."""
        batch, loss, loop = self._balanced(self._resident.rows(drawn)), loss_of(drawn.target_type), self._loop
        path, size = self._chunks.plan(
            self._network, self._start(batch), batch.episodes, loss, self._rates(), loop
        )
        for part in batch.chunks(size):
            self._taken = len(part)
            losses = query_losses(
                self._network, self._start(part), part.episodes, loss, self._rates(), loop, path=path
            )
            yield losses.sum() / self._options.meta_batch

    def fewer(self) -> int:
        """Takes half as many tasks at once as last time, and says how many; 0 where it was one."""
        return self._taken // 2 if self._chunks.halve(self._taken) else 0

    @property
    def _loop(self) -> InnerLoop:
        return self._options.inner_loop

    def _balanced(self, batch: TypedBatch) -> TypedBatch:
        if not self._options.balanced or batch.target_type is TargetType.REGRESSION:
            return batch
        query = balance(batch.episodes.query, batch.n_classes)
        return replace(batch, episodes=EpisodeBatch(batch.episodes.support, query))

    def _start(self, batch: TypedBatch) -> dict[str, Tensor]:
        return self._heads.attach(self._parameters, batch.target_type, batch.n_classes)

    def _rates(self) -> dict[str, Tensor]:
        return rates_from_logs(self._log_rates)
