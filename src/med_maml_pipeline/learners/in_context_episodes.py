"""What the in-context transformer trains on: episodes of the problem, and made-up tasks beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from med_maml_pipeline.bilevel import EpisodeBatch
from med_maml_pipeline.learners.episode_batches import TypedBatch, labelled
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.network_inputs import RANKED_WIDTH
from med_maml_pipeline.learners.one_against_rest import KINDS
from med_maml_pipeline.learners.own_episodes import own_episodes
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.learners.synthetic_tasks import synthetic_tasks
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.tasks.types import MetaSplit, Problem

__all__ = ["InContextTraining", "as_trained", "made_up_episodes", "problem_episodes"]

_STREAM = 0x517E  # keeps the draw of support sizes apart from other uses of the same seed


@dataclass(frozen=True)
class InContextTraining(GradientTraining):
    """Settings of meta-training, beside those of `GradientTraining`.

    Attributes:
        meta_batch: Tasks per update.
        synthetic_share: Share of them that is made up; 1 where the problem has no meta-training tasks.
        shots: Most support examples per class (in all for regression) of a task of the problem; each update
            draws a number up to this one.
        query: Query examples per task.
        ways: Most classes of an episode of the problem; a task with more shows some of them at a time.
        hidden: Widths of the tokens of cells and of rows.
        blocks: Blocks of attention over rows.
        heads: Attention heads.
        columns: Most columns that a task is read through.
        outer_lr: Rate of AdamW.
        input_dropout: Share of the input columns hidden from a task of the problem.
    """

    steps: int = 250
    meta_batch: int = 8
    synthetic_share: float = 0.5
    shots: int = 16
    query: int = 32
    ways: int = 4
    hidden: tuple[int, ...] = (32, 64)
    blocks: int = 2
    heads: int = 4
    columns: int = 32
    outer_lr: float = 3e-3
    weight_decay: float = 0.01
    input_dropout: float = 0.2

    @property
    def augment(self) -> bool:
        """Pictures are read as their hand-crafted features, which are not augmented."""
        return False


def as_trained(problem: Problem, options: InContextTraining) -> Problem:
    """The problem with few classes per episode, and the features of pictures as their columns."""
    tables = {key: replace(table, pixels=None) for key, table in problem.tables.items()}
    tasks = tuple(
        replace(task, ways=options.ways) if task.n_way > options.ways else task for task in problem.tasks
    )
    return replace(problem, tables=tables, tasks=tasks)


def problem_episodes(
    problem: Problem,
    inputs: ResidentInputs,
    options: InContextTraining,
    seed: int,
    step: int,
    world: World,
) -> Iterator[TypedBatch]:
    """Episodes of the meta-training tasks; their support has a size of this update's own."""
    n_tasks = options.meta_batch - _number_made_up(problem, options)
    if not n_tasks:
        return
    draw = np.random.default_rng((_STREAM, seed, step))
    shots = round(float(np.exp(draw.uniform(0.0, np.log(options.shots)))))
    drawn = replace(options, meta_batch=n_tasks, shots=shots)
    for batch in own_episodes(problem, inputs, drawn, seed, step, world):
        yield inputs.rows(batch)


def made_up_episodes(
    problem: Problem, options: InContextTraining, seed: int, step: int, world: World
) -> Iterator[TypedBatch]:
    """Made-up tasks, of the types that the problem trains on."""
    n_tasks = _number_made_up(problem, options)
    if not n_tasks:
        return
    types = sorted({task.target_type for task in problem.split(MetaSplit.TRAIN)}) or list(KINDS)
    support, query = [], []
    for shown, asked in synthetic_tasks(seed, step, n_tasks, options.query, types):
        encoded = encode_support(Checkpoint("made up"), shown, width=RANKED_WIDTH)
        scale = TargetScale.of(shown.y, shown.target_type)
        support.append((encoded.x, scale.standardise(shown.y)))
        query.append((encoded.transform(asked.x), scale.standardise(asked.y)))
    kind, n_classes = shown.target_type, shown.n_classes
    sets = (labelled(rows, kind, device=options.device) for rows in (support, query))
    own = TypedBatch(kind, n_classes, EpisodeBatch(*sets)).part(world.own)
    if len(own):
        yield own


def _number_made_up(problem: Problem, options: InContextTraining) -> int:
    """How many of an update's tasks are made up: all where the problem has none to train on."""
    share = options.synthetic_share if problem.split(MetaSplit.TRAIN) else 1.0
    return round(share * options.meta_batch)
