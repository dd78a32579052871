"""The outer loop that every network shares: AdamW, gradients clipped, the best parameters kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.training_state import TrainingState

__all__ = ["optimise"]

_CLIP = 10.0  # norm of the whole gradient; reached by single meta-batches early on only


def optimise(
    parameters: Mapping[str, Tensor],
    losses_at: Callable[[int], Iterable[Tensor]],
    schedule: Schedule,
    checkpoint: Callable[[], Checkpoint],
    monitor: Monitor,
) -> Checkpoint:
    """Minimises the sum of ``losses_at(step)`` by AdamW (Loshchilov & Hutter 2019).

    A training that was broken off goes on from the monitor's state and ends with the same bytes as one that
    was not: whatever a step needs is in the state or a pure function of the step.

    Args:
        parameters: Leaves that require gradients, changed in place; weight decay spares vectors (biases,
            scales, rates).
        losses_at: Parts of a step's loss, which add up to it over all processes; must draw its batch as a
            pure function of the step. Each part is differentiated as it comes, so that one graph is in
            memory at a time.
        schedule: Length, rates and validation.
        checkpoint: The checkpoint of the parameters as they are when it is called.
        monitor: Progress, state, validation metric and company.

    Returns:
        The checkpoint of the best look at validation episodes, or of the last step where there was none. Its
        history holds ``step``, the mean ``loss`` since the record before, ``learning_rate``, ``validation``
        (NaN between looks) and ``kept`` (1 for the step whose parameters are returned).
    """
    if monitor.judge is None:
        schedule = replace(schedule, validate_every=0)
    state = TrainingState.started(parameters, schedule.weight_decay)
    state.load(monitor.state)
    if monitor.world.agree(state.step) != state.step:
        raise RuntimeError(f"rank {monitor.world.rank} found another state than rank 0: storage lags behind")
    total = schedule.steps
    while state.step < total and not state.best.exhausted(schedule.patience):
        _update(state, losses_at(state.step), schedule, monitor)
        validation = float("nan")
        if monitor.judge is not None and schedule.validates(state.step):
            validation = monitor.world.agree(monitor.judge(checkpoint()))
            state.best.look(validation, state.step, parameters)
        if schedule.records(state.step):
            state.record(schedule.rate(state.step - 1), validation)
        monitor.progress(state.step, total, state.figures())
        if monitor.world.leads:
            state.save(monitor.state)
    if state.step < total:
        monitor.progress(total, total, state.figures())  # stopped early: nothing is left to do
    state.keep_best()
    return replace(checkpoint(), history=state.marked_history())


def _update(state: TrainingState, parts: Iterable[Tensor], schedule: Schedule, monitor: Monitor) -> None:
    state.optimiser.zero_grad(set_to_none=True)
    loss = torch.zeros(())
    for part in parts:
        part.backward()
        loss += part.detach().cpu()
    parameters = list(state.parameters.values())
    loss = monitor.world.sum_gradients(parameters, loss)
    torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
    for group in state.optimiser.param_groups:
        group["lr"] = schedule.rate(state.step)
    state.optimiser.step()
    state.losses.append(loss)
    state.step += 1
