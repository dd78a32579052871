"""Updates replayed as CUDA graphs: one for every shape of a meta-batch, the outer optimiser included."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.meta_step import EpisodeLosses, LossesAt, MetaStep
from med_maml_pipeline.learners.training_state import TrainingState
from med_maml_pipeline.learners.world import World

__all__ = ["StaticStep", "step_for"]

_LOGGER = logging.getLogger(__name__)
_MULTIPLE = 8  # rows of support and query are filled up to the next multiple, so that shapes are few
_WARM_UP = 3  # ordinary updates of a shape before it is captured
_MOST_SHAPES = 32  # each graph holds memory of its own; rarer shapes stay ordinary updates

Replay = Callable[[], Tensor]


def step_for(state: TrainingState, losses_at: LossesAt, world: World, precision: str) -> MetaStep:
    """Replayed graphs for episodes on a GPU in a process alone; ordinary updates elsewhere."""
    on_gpu = next(iter(state.parameters.values())).is_cuda
    kind = StaticStep if on_gpu and world.size == 1 and isinstance(losses_at, EpisodeLosses) else MetaStep
    return kind(state, losses_at, world, precision)


@dataclass
class _Bucket:
    """Tensors that never move, and what runs on them."""

    batches: list[TypedBatch]
    updates: int = 0
    replay: Replay | None = None


class StaticStep(MetaStep):
    """`MetaStep` on tensors that keep their place, so that a CUDA graph can be replayed on new episodes.

    The first updates of a shape are its warm-up: real updates, on a side stream. Without a GPU the same
    code runs uncaptured.
    """

    def __init__(self, state: TrainingState, losses_at: LossesAt, world: World, precision: str) -> None:
        if not isinstance(losses_at, EpisodeLosses):
            raise TypeError("a static step needs the episodes apart from their loss")
        super().__init__(state, losses_at, world, precision)
        self._episodes, self._buckets, self._capturing = losses_at, dict[object, _Bucket](), True
        self._side = torch.cuda.Stream() if self.device.type == "cuda" else None

    def __call__(self, rate: float) -> Tensor:
        """As `MetaStep.__call__`."""
        self.set_rate(rate)
        drawn = sorted(
            self._episodes.drawn(self.state.step), key=lambda batch: (batch.target_type, batch.n_classes)
        )
        key = tuple(_key(batch) for batch in drawn)
        if key not in self._buckets:
            if len(self._buckets) == _MOST_SHAPES:
                return self.eager(lambda: self._losses(drawn))
            self._buckets[key] = _Bucket([_static(batch, self.device) for batch in drawn])
        bucket = self._buckets[key]
        for static, batch in zip(bucket.batches, drawn, strict=True):
            _fill(static.episodes.support, batch.episodes.support)
            _fill(static.episodes.query, batch.episodes.query)
        bucket.updates += 1
        if bucket.replay is None and bucket.updates > _WARM_UP:
            bucket.replay = self._captured(lambda: self.eager(lambda: self._losses(bucket.batches)))
        if bucket.replay is not None:
            return bucket.replay()
        with _aside(self._side):
            return self.eager(lambda: self._losses(bucket.batches))

    def _losses(self, batches: Sequence[TypedBatch]) -> Iterator[Tensor]:
        for batch in batches:
            yield from self._episodes.of(batch)

    def _captured(self, update: Replay) -> Replay:
        """The update as a graph; as it is where there is no GPU, or where capturing fails."""
        if self.device.type != "cuda" or not self._capturing:
            return update
        self.state.optimiser.zero_grad(set_to_none=True)  # gradients must lie in the graph's own memory
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                loss = update()
        except RuntimeError as error:
            self._capturing = False
            first_line = str(error).partition("\n")[0]
            _LOGGER.warning(
                "An update could not be captured as a CUDA graph and runs without: %s", first_line
            )
            return update

        def replay() -> Tensor:
            graph.replay()
            return loss.clone()  # the next replay writes over it

        return replay


def _filled_up(n: int) -> int:
    return -(-n // _MULTIPLE) * _MULTIPLE


def _key(batch: TypedBatch) -> tuple[object, ...]:
    support, query = batch.episodes.support, batch.episodes.query
    rows = (_filled_up(support.y.shape[1]), _filled_up(query.y.shape[1]))
    return (batch.target_type, batch.n_classes, len(batch), *rows, support.x.dtype)


def _static(batch: TypedBatch, device: torch.device) -> TypedBatch:
    """Tensors of the batch's shape, filled up."""

    def room(rows: Labelled) -> Labelled:
        t, n = rows.y.shape
        return Labelled(
            *(
                torch.zeros(t, _filled_up(n), *part.shape[2:], dtype=part.dtype, device=device)
                for part in (rows.x, rows.y, rows.weight)
            )
        )

    return replace(batch, episodes=EpisodeBatch(room(batch.episodes.support), room(batch.episodes.query)))


def _fill(static: Labelled, rows: Labelled) -> None:
    """Copies rows; what is filled up has weight zero."""
    n = rows.y.shape[1]
    for own, part in ((static.x, rows.x), (static.y, rows.y), (static.weight, rows.weight)):
        own[:, :n].copy_(part)
        own[:, n:].zero_()


@contextmanager
def _aside(stream: torch.cuda.Stream | None) -> Iterator[None]:
    """A side stream, as the warm-up of a capture asks for; nothing without a GPU."""
    if stream is None:
        yield
        return
    main = torch.cuda.current_stream()
    stream.wait_stream(main)
    with torch.cuda.stream(stream):
        yield
    main.wait_stream(stream)
