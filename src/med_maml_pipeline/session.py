"""A Kedro session that tells hooks about interrupts and users about errors in one sentence."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from kedro.framework.hooks import hook_impl
from kedro.framework.session import KedroSession

from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.runs import TRACKING
from med_maml_pipeline.runs.claims import claimed_run_id

__all__ = ["RunSession"]

_LOGGER = logging.getLogger(__name__)


class RunSession(KedroSession):
    """Kedro calls ``on_pipeline_error`` for exceptions only; here also for Ctrl-C and SIGTERM.

    An error that this package raised on purpose reaches the user as its one sentence: under ``kedro run``
    without a traceback (the log has it at level DEBUG), from Python as the error itself, not as Kedro's
    wrapping of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # At level DEBUG Kedro traces each hook call with its arguments, and those are rows.
        self._hook_manager.trace.root.setwriter(None)

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Runs as `KedroSession.run` does, under an id that no other run has.

        Raises:
            KeyboardInterrupt: on Ctrl-C or SIGTERM, after the hooks were told.
            MedMamlError: what a node, dataset or hook of this package raised.
        """
        started = _Started()
        self._hook_manager.register(started)
        try:
            claim = claimed_run_id(self._project_path / TRACKING, self._store["session_id"])
            with _sigterm_as_interrupt(), claim as run_id:
                self.session_id = self._store["session_id"] = run_id
                return self._told_of_interrupts(started, args, kwargs)
        except Exception as error:
            cause = _own_error(error)
            if cause is None:
                raise
            if click.get_current_context(silent=True) is None:
                raise cause from cause.__cause__
            _LOGGER.debug("The run failed", exc_info=error)
            raise click.ClickException(str(cause)) from error

    def _told_of_interrupts(
        self, started: _Started, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            result: dict[str, Any] = super().run(*args, **kwargs)
            return result
        except KeyboardInterrupt as interrupt:
            if started.arguments:
                self._hook_manager.hook.on_pipeline_error(error=interrupt, **started.arguments)
            raise


class _Started:
    """Keeps what Kedro tells hooks at the start, to tell it again at an interrupt."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Takes note."""
        self.arguments = {"run_params": run_params, "pipeline": pipeline, "catalog": catalog}


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Makes SIGTERM (a scheduler's or a container's stop) end the run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _own_error(error: BaseException | None) -> MedMamlError | None:
    """The error of this package that lies in a chain of causes, if any."""
    while error is not None and not isinstance(error, MedMamlError):
        error = error.__cause__
    return error
