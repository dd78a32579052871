"""A network on query rows: the same number for a row alone or in company, averaged over views if asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.learners.views import dihedral_views
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["evaluate"]

_BATCH = 32
"""Pictures per forward pass. Convolutions of different batch sizes may take different paths and round
differently; with one size, filled up by blanks, a row's result does not depend on its neighbours."""


def evaluate(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    x: FloatArray,
    *,
    image: Sequence[int] | None,
    views: int = 1,
) -> NDArray[np.float64]:
    """Outputs ``[n, c]`` of the network on rows ``[n, width]``.

    Args:
        network: The structure.
        parameters: Its numbers; their floating type is computed in.
        x: Network inputs.
        image: Shape of the pictures; None where rows are no pictures.
        views: 8 averages the outputs over the rotations and reflections of each picture; 1 takes it as it is.
    """
    like = next(iter(parameters.values()))

    def outputs(rows: Tensor) -> Tensor:
        return functional_call(network, dict(parameters), (rows,))

    rows = torch.from_numpy(x).to(like)
    with torch.no_grad():
        result = outputs(rows) if image is None else _mean_over_views(outputs, rows, image, views)
    values: NDArray[np.float64] = result.cpu().double().numpy()
    return values


def _mean_over_views(
    outputs: Callable[[Tensor], Tensor], rows: Tensor, image: Sequence[int], views: int
) -> Tensor:
    shown = dihedral_views(rows, image) if views > 1 else [rows]
    total = torch.stack([torch.cat(list(_in_batches(outputs, view))) for view in shown])
    return total.double().mean(0)


def _in_batches(outputs: Callable[[Tensor], Tensor], rows: Tensor) -> Iterator[Tensor]:
    for at in range(0, max(len(rows), 1), _BATCH):
        part = rows[at : at + _BATCH]
        blanks = part.new_zeros(_BATCH - len(part), part.shape[1])
        yield outputs(torch.cat([part, blanks]))[: len(part)]
