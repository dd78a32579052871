"""The outer loop that every network shares: AdamW on a cosine, gradients clipped, the curve kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from med_maml_pipeline.learners.protocol import ProgressCallback

__all__ = ["optimise"]

_CLIP = 10.0  # norm of the whole gradient; reached by single meta-batches early on only


def optimise(
    parameters: Mapping[str, Tensor],
    losses_at: Callable[[int], Iterable[Tensor]],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    progress: ProgressCallback,
) -> tuple[Mapping[str, float], ...]:
    """Minimises the sum of ``losses_at(step)`` in place by AdamW with cosine decay to zero.

    AdamW: Loshchilov & Hutter (2019).

    Args:
        parameters: Leaves that require gradients; weight decay spares vectors (biases, scales, rates).
        losses_at: Parts of a step's loss, which add up to it; must draw its batch as a pure function of the
            step. Each part is differentiated as it comes, so that one graph is in memory at a time.
        steps: Number of updates.
        learning_rate: At the start.
        weight_decay: Decoupled, of matrices.
        progress: Told about every fiftieth of the way.

    Returns:
        The learning curve: ``step`` and the mean ``loss`` since the record before.
    """
    matrices = [value for value in parameters.values() if value.dim() > 1]
    vectors = [value for value in parameters.values() if value.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=learning_rate,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    history: list[Mapping[str, float]] = []
    every, losses = max(steps // 50, 1), []
    for step in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros(())
        for part in losses_at(step):
            part.backward()
            loss += part.detach().cpu()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), _CLIP)
        optimiser.step()
        schedule.step()
        losses.append(loss)
        if (step + 1) % every == 0 or step + 1 == steps:
            mean = float(torch.stack(losses).mean())
            history.append({"step": float(step + 1), "loss": mean})
            progress(step + 1, steps, {"loss": mean})
            losses = []
    return tuple(history)
