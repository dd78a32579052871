"""A meta-gradient as a learner computes it, and the same numbers for references to start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import MLP, initial_parameters
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["LAYERS", "MetaGradientCase", "meta_gradient_case", "plain_loss", "rate_at"]

LAYERS = ("first", "tail.body.1", "tail.head")
WIDTH, HIDDEN, TASKS, N_SUPPORT, N_QUERY = 6, (5, 4), 3, 7, 9
N_CLASSES = {TargetType.BINARY: 2, TargetType.MULTICLASS: 3, TargetType.REGRESSION: 0}

Gradients = dict[str, Tensor]
Rows = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class MetaGradientCase:
    """A small perceptron in double precision with a batch of tasks.

    Attributes:
        learner: A relative of MAML.
        learned: Its leaves, moved away from where a training starts.
        batch: Tasks of one kind.
        options: Settings of its meta-training.
    """

    learner: Maml
    learned: MetaLearned
    batch: TypedBatch
    options: MamlTraining

    def loss(self, learned: MetaLearned, update: int = 0) -> Tensor:
        """The learner's own meta-loss."""
        resident = ResidentInputs(None, "cpu", None, {})  # type: ignore[arg-type]  # rows are at hand
        meta_loss = self.learner.meta_loss(learned, self.options, resident)
        parts = meta_loss.losses_at(lambda step: iter([self.batch]))(update)
        return torch.stack(list(parts)).sum()

    def gradient(self, update: int = 0) -> Tensor:
        """The learner's own meta-gradient at an update, flat."""
        leaves = tuple(self.learned.learned().values())
        found = torch.autograd.grad(self.loss(self.learned, update), leaves, allow_unused=True)
        return self.flat(dict(zip(self.learned.learned(), found, strict=True)))

    def flat(self, gradients: Mapping[str, Tensor | None]) -> Tensor:
        """Gradients by name in the order of the leaves; zero where there is none."""
        found = {name: value for name, value in gradients.items() if value is not None}
        filled = [found.get(name, torch.zeros_like(leaf)) for name, leaf in self.learned.learned().items()]
        return torch.cat([value.detach().reshape(-1) for value in filled])

    def tasks(self) -> Iterator[Rows]:
        """Inputs and labels of support and query, task by task."""
        support, query = self.batch.episodes.support, self.batch.episodes.query
        yield from zip(support.x, support.y, query.x, query.y, strict=True)

    def starts(self) -> Gradients:
        """Where every task starts, by the parameters' names in the network; copies that are leaves."""
        start = self.learned.start(self.batch.target_type, self.batch.n_classes)
        return {name: value.detach().clone().requires_grad_() for name, value in start.items()}

    def leaf_name(self, parameter: str) -> str:
        """Name among the leaves of a parameter of the network."""
        return "network." + parameter.replace("tail.head", f"heads.{self.batch.target_type}")

    def rates(self) -> Gradients:
        """Copies of what the inner rates are computed from, as leaves, by their names among the leaves."""
        named = self.learned.learned().items()
        return {n: v.detach().clone().requires_grad_() for n, v in named if n.startswith("log_rates.")}

    def differences(self, directions: int = 2, step: float = 1e-4) -> tuple[list[float], list[float]]:
        """Slopes along random directions: by the gradient, and by central differences of fourth order."""
        generator, gradient = torch.Generator().manual_seed(3), self.gradient()
        own, expected = [], []
        for _ in range(directions):
            along = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
            own.append(float(gradient @ along))
            at = [self.loss(self._moved(distance * step * along)).item() for distance in (-2, -1, 1, 2)]
            expected.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step))
        return own, expected

    def _moved(self, by: Tensor) -> MetaLearned:
        leaves = self.learned.learned()
        pieces = by.split([leaf.numel() for leaf in leaves.values()])
        moved = {
            name: (leaf.detach() + piece.view_as(leaf)).requires_grad_()
            for (name, leaf), piece in zip(leaves.items(), pieces, strict=True)
        }
        return replace(
            self.learned,
            parameters={name: moved[f"network.{name}"] for name in self.learned.parameters},
            rates={name: moved[f"log_rates.{name}"] for name in self.learned.rates},
        )


def meta_gradient_case(name: str, kind: TargetType, **settings: object) -> MetaGradientCase:
    """A case of a learner and kind of target."""
    learner = get_learner(name)
    assert isinstance(learner, Maml)
    settings = {"hidden": HIDDEN, "inner_steps": 3, "meta_batch": TASKS, "steps": 10, **settings}
    options = read_settings(learner.training, settings, name)
    network = MLP(WIDTH, HIDDEN, 1)
    heads, generator = learner.heads(network), torch.Generator().manual_seed(1)

    def moved(values: Mapping[str, Tensor], deviation: float) -> dict[str, Tensor]:
        drawn = {n: torch.randn(v.shape, generator=generator, dtype=torch.float64) for n, v in values.items()}
        return {n: v.double() + deviation * drawn[n] for n, v in values.items()}

    trunk = {n: v for n, v in initial_parameters(network, 0).items() if not n.startswith(network.head_path)}
    start, rates = (
        moved({**trunk, **heads.initial()}, 0.3),
        moved(learner.initial_rates(network, options, 7.0), 0.2),
    )
    learned = MetaLearned.leaves(network, heads, start, rates, "cpu", learn_rates=True)
    generator = torch.Generator().manual_seed(2)  # rows do not depend on what is learned
    episodes = EpisodeBatch(*(_rows(n, kind, generator) for n in (N_SUPPORT, N_QUERY)))
    return MetaGradientCase(learner, learned, TypedBatch(kind, N_CLASSES[kind], episodes), options)


def _rows(n: int, kind: TargetType, generator: torch.Generator) -> Labelled:
    x = torch.randn(TASKS, n, WIDTH, generator=generator, dtype=torch.float64)
    if kind is TargetType.REGRESSION:
        y = 0.3 * torch.randn(TASKS, n, generator=generator, dtype=torch.float64)
    else:
        y = torch.randint(N_CLASSES[kind], (TASKS, n), generator=generator)
    return Labelled(x, y, torch.full((TASKS, n), 1.0 / n, dtype=torch.float64))


def plain_loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Loss of one task by PyTorch: Huber for numbers, cross-entropy for classes."""
    return F.huber_loss(outputs[:, 0], y) if y.is_floating_point() else F.cross_entropy(outputs, y)


def rate_at(logs: Mapping[str, Tensor], path: str, step: int) -> Tensor:
    """Inner rate of a layer at a step, from what `MetaGradientCase.rates` gives."""
    log = logs[f"log_rates.{path}"]
    return (log[step] if log.dim() else log).exp()
