"""How raw features become the inputs of a learner: one rule for every lane, so that none gets better ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.features.encoder import Encoder
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.tasks.types import FloatArray, IntArray, MetaSplit, Problem, Support

__all__ = ["EncodedSupport", "encode_support", "fit_inputs"]

PREFIX = "encoder."


class EncodedSupport(NamedTuple):
    """Inputs of a support set and the map that gives the inputs of its queries.

    Attributes:
        x: ``[n, width]`` float32, no missing cells.
        transform: Raw ``[q, f]`` to ``[q, width]``, row by row.
    """

    x: FloatArray
    transform: Callable[[FloatArray], FloatArray]


def fit_inputs(problem: Problem, *, max_rows: int = 20_000, seed: int = 0) -> dict[str, NDArray[np.generic]]:
    """Fits the encoder on the rows of the meta-training tasks, for the checkpoint.

    Args:
        problem: Only its meta-training tasks are read, and none of their labels.
        max_rows: More rows than this are drawn down, without replacement.
        seed: Of that draw.

    Returns:
        Arrays named ``encoder.…``. Empty where inputs are not shared (each support then fits its own), or
        where there is no meta-training task.

    Raises:
        ConfigurationError: inputs are declared shared but the tables differ in their columns.
    """
    if not problem.shared_inputs:
        return {}
    _require_same_columns(problem)
    places = list(_training_rows(problem))
    total = sum(len(rows) for _, rows in places)
    if total == 0:
        return {}
    drawn = np.arange(total)
    if total > max_rows:
        drawn = np.sort(np.random.default_rng(seed).choice(total, size=max_rows, replace=False))
    blocks, start = [], 0
    for key, rows in places:
        inside = drawn[(drawn >= start) & (drawn < start + len(rows))] - start
        blocks.append(problem.tables[key].x[rows[inside]])
        start += len(rows)
    encoder = Encoder.fit(np.concatenate(blocks), problem.tables[places[0][0]].kinds)
    return {PREFIX + name: array for name, array in encoder.state().items()}


def encode_support(checkpoint: Checkpoint, support: Support, *, width: int | None = None) -> EncodedSupport:
    """Encodes a support set, by the checkpoint's encoder where it has one.

    Args:
        checkpoint: May hold the arrays of `fit_inputs`.
        support: The support set.
        width: Where the checkpoint holds no encoder: the fixed width that a network needs, given by columns
            ranked on the support. None fits a plain encoder on the support, of whatever width.
    """
    if PREFIX + "kept" in checkpoint.arrays:
        encoder = Encoder.from_state(
            {
                name.removeprefix(PREFIX): array
                for name, array in checkpoint.arrays.items()
                if name.startswith(PREFIX)
            }
        )
        return EncodedSupport(encoder.transform(support.x), encoder.transform)
    if width is None:
        encoder = Encoder.fit(support.x, support.kinds)
        return EncodedSupport(encoder.transform(support.x), encoder.transform)
    from med_maml_pipeline.features.projection import SupportRanked

    ranked = SupportRanked.fit(
        support.x, support.y, support.target_type, support.n_classes, support.kinds, width=width
    )
    return EncodedSupport(ranked.transform(support.x), ranked.transform)


def _training_rows(problem: Problem) -> Iterator[tuple[str, IntArray]]:
    """Per table (in task order), the distinct rows that meta-training tasks use, ascending."""
    rows: dict[str, list[IntArray]] = {}
    for task in problem.split(MetaSplit.TRAIN):
        rows.setdefault(task.examples, []).append(task.rows)
    for key, parts in rows.items():
        used = np.zeros(len(problem.tables[key]), dtype=bool)
        for part in parts:
            used[part] = True
        yield key, np.flatnonzero(used)


def _require_same_columns(problem: Problem) -> None:
    first, *others = problem.tables.items()
    for key, table in others:
        if table.names != first[1].names or table.kinds != first[1].kinds:
            raise ConfigurationError(
                f"problem '{problem.name}': tables '{first[0]}' ({len(first[1].names)} columns) and '{key}' "
                f"({len(table.names)} columns) do not have the same columns; set shared_inputs: false in "
                "their task families, or give the sources the same features."
            )
