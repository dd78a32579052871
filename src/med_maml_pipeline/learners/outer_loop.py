"""The outer loop that every network shares: AdamW, gradients clipped, the best parameters kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from med_maml_pipeline.learners.devices import arithmetic
from med_maml_pipeline.learners.graphed_step import step_for
from med_maml_pipeline.learners.meta_step import LossesAt
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.training_state import TrainingState

__all__ = ["optimise"]


def optimise(
    parameters: Mapping[str, Tensor],
    losses_at: LossesAt,
    schedule: Schedule,
    checkpoint: Callable[[], Checkpoint],
    monitor: Monitor,
    *,
    precision: str = "float32",
) -> Checkpoint:
    """Minimises the sum of ``losses_at(step)`` by AdamW (Loshchilov & Hutter 2019).

    A training that was broken off goes on from the monitor's state and ends with the same bytes as one that
    was not: whatever a step needs is in the state or a pure function of the step.

    Args:
        parameters: Leaves that require gradients, changed in place; weight decay spares vectors (biases,
            scales, rates).
        losses_at: Parts of a step's loss, which add up to it over all processes; must draw its batch as a
            pure function of the step. Each part is differentiated as it comes, so that one graph is in
            memory at a time. On a GPU, `EpisodeLosses` are replayed as CUDA graphs.
        schedule: Length, rates and validation.
        checkpoint: The checkpoint of the parameters as they are when it is called.
        monitor: Progress, state, validation metric and company.
        precision: ``float32``, ``tf32`` or ``bfloat16``, see `arithmetic` and `forward_in`.

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
    total, update = schedule.steps, step_for(state, losses_at, monitor.world, precision)
    while state.step < total and not state.best.exhausted(schedule.patience):
        with arithmetic(precision):
            state.losses.append(update(schedule.rate(state.step)))
        state.step += 1
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
