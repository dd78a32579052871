"""How raw features become the inputs of a learner: one rule for every lane, so that none gets better ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.features.encoder import Encoder, Scaling
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.tasks.types import FloatArray, IntArray, MetaSplit, Problem, Support

if TYPE_CHECKING:
    from med_maml_pipeline.features.projection import SupportRanked

__all__ = [
    "EncodedSupport",
    "encode_pictures",
    "encode_support",
    "fit_inputs",
    "fitted_encoder",
    "scaled_pixels",
    "training_rows",
]

PREFIX = "encoder."


class EncodedSupport(NamedTuple):
    """Inputs of a support set and the map that gives the inputs of its queries.

    Attributes:
        x: ``[n, width]`` float32, no missing cells.
        transform: Raw ``[q, f]`` to ``[q, width]``, row by row.
    """

    x: FloatArray
    transform: Callable[[FloatArray], FloatArray]


def fit_inputs(
    problem: Problem, *, max_rows: int = 20_000, seed: int = 0, scaling: Scaling = "robust"
) -> dict[str, NDArray[np.generic]]:
    """Fits the encoder of the features on the rows of the meta-training tasks, for the checkpoint.

    Pixels are left out: their scale is known (see `scaled_pixels`).

    Args:
        problem: Only its meta-training tasks are read, and none of their labels.
        max_rows: More rows than this are drawn down, without replacement.
        seed: Of that draw.
        scaling: Of the encoder.

    Returns:
        Arrays named ``encoder.…``. Empty where inputs are not shared (each support then fits its own), where
        there is no meta-training task, or where there is no feature beside the picture.

    Raises:
        ConfigurationError: pictures differ in their shape, or inputs are declared shared but the tables
            differ in their columns.
    """
    _require_same_pictures(problem)
    if not problem.shared_inputs:
        return {}
    _require_same_columns(problem)
    places = list(training_rows(problem))
    total = sum(len(rows) for _, rows in places)
    if total == 0 or not problem.tables[places[0][0]].names:
        return {}
    drawn = np.arange(total)
    if total > max_rows:
        drawn = np.sort(np.random.default_rng(seed).choice(total, size=max_rows, replace=False))
    blocks, start = [], 0
    for key, rows in places:
        inside = drawn[(drawn >= start) & (drawn < start + len(rows))] - start
        blocks.append(problem.tables[key].x[rows[inside]])
        start += len(rows)
    encoder = Encoder.fit(np.concatenate(blocks), problem.tables[places[0][0]].kinds, scaling)
    return {PREFIX + name: array for name, array in encoder.state().items()}


def encode_support(checkpoint: Checkpoint, support: Support, *, width: int | None = None) -> EncodedSupport:
    """Encodes the features of a support set, by the checkpoint's encoder where it has one.

    A picture is left aside where there are features beside it, and read as scaled pixels where there are not.

    Args:
        checkpoint: May hold the arrays of `fit_inputs`; else its fact ``scaling`` says how to fit an encoder.
        support: The support set.
        width: Where the checkpoint holds no encoder: the fixed width that a network needs, given by columns
            ranked on the support. None fits a plain encoder on the support, of whatever width.
    """
    at = _n_pixels(support)
    if at and at == support.x.shape[1]:
        return encode_pictures(support)
    fitted = _fitted(checkpoint, support, at, width)
    return EncodedSupport(fitted.transform(support.x[:, at:]), lambda x: fitted.transform(x[:, at:]))


def encode_pictures(support: Support) -> EncodedSupport:
    """The pictures of a support set as scaled pixels; the features beside them are left aside."""
    at = _n_pixels(support)
    return EncodedSupport(scaled_pixels(support.x[:, :at]), lambda x: scaled_pixels(x[:, :at]))


def scaled_pixels(x: NDArray[np.generic]) -> FloatArray:
    """Intensities 0..255 as float32 in -1..1."""
    return (x.astype(np.float32) / 127.5 - 1.0).astype(np.float32)


def fitted_encoder(arrays: Mapping[str, NDArray[np.generic]]) -> Encoder:
    """The encoder among the arrays of `fit_inputs`."""
    names = [name for name in arrays if name.startswith(PREFIX)]
    return Encoder.from_state({name.removeprefix(PREFIX): arrays[name] for name in names})


def _n_pixels(support: Support) -> int:
    return 0 if support.image is None else math.prod(support.image)


def _fitted(checkpoint: Checkpoint, support: Support, at: int, width: int | None) -> Encoder | SupportRanked:
    """The map of the columns from ``at`` on: the checkpoint's, or one fitted on the support."""
    if PREFIX + "kept" in checkpoint.arrays:
        return fitted_encoder(checkpoint.arrays)
    x, kinds = support.x[:, at:], support.kinds[at:]
    scaling = checkpoint.facts.get("scaling", "robust")
    if width is None:
        return Encoder.fit(x, kinds, scaling)
    from med_maml_pipeline.features.projection import SupportRanked

    return SupportRanked.fit(
        x, support.y, support.target_type, support.n_classes, kinds, width=width, scaling=scaling
    )


def training_rows(problem: Problem) -> Iterator[tuple[str, IntArray]]:
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


def _require_same_pictures(problem: Problem) -> None:
    first, *others = problem.tables.items()
    for key, table in others:
        if table.image != first[1].image:
            raise ConfigurationError(
                f"problem '{problem.name}': the pictures of tables '{first[0]}' and '{key}' differ in "
                "channels or size; give their sources the same 'options'."
            )
