"""Progress inside a node: a bar on a terminal, elsewhere a log line now and then."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

import rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from med_maml_pipeline.learners.protocol import ProgressCallback

__all__ = ["FitReporter", "close_bars", "duration", "reporter"]

_LOG_EVERY_SECONDS = 10.0
_LOGGER = logging.getLogger(__name__)


def reporter(label: str) -> ProgressCallback:
    """A callback that shows how far some work has come, its speed, its loss, and the time left.

    Args:
        label: What is being done, as people call it.
    """
    return _Bar(label) if rich.get_console().is_terminal else _Lines(label)


@dataclass(frozen=True)
class FitReporter:
    """Makes callbacks for single pieces of work, in this process or, sent there, in a worker process.

    A worker has neither the terminal's display nor Kedro's log: it writes lines to standard error.

    Attributes:
        label: What all the pieces belong to.
        process: The process that owns display and log.
    """

    label: str
    process: int = field(default_factory=os.getpid)

    def __call__(self, piece: str) -> ProgressCallback:
        """A callback for one piece of work."""
        label = f"{self.label}: {piece}"
        return reporter(label) if os.getpid() == self.process else _Lines(label, _to_standard_error)


def duration(seconds: float) -> str:
    """A length of time as people say it: ``0.4 s``, ``48 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def close_bars() -> None:
    """Takes bars off the terminal that unfinished work has left there."""
    _Bar.close_all()


class _Lines:
    """At most one line in ten seconds, to the log unless told otherwise; none for work that takes less."""

    def __init__(self, label: str, tell: Callable[[str], None] = _LOGGER.info) -> None:
        self._label, self._tell = label, tell
        self._started = self._told = monotonic()

    def __call__(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        now = monotonic()
        if now - self._told < _LOG_EVERY_SECONDS or not done:
            return
        self._told = now
        rate = done / (now - self._started)
        left = f", about {duration((total - done) / rate)} left" if done < total else ""
        self._tell(f"{self._label}: {done} of {total} ({rate:.3g}/s){_text(figures)}{left}")


class _Bar:
    """One bar per label; they share the terminal's single live display, which log lines pass above."""

    _display: Progress | None = None

    def __init__(self, label: str) -> None:
        self._label = label
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        display = self._shared_display()
        if self._task is None or self._task not in display.task_ids:
            self._task = display.add_task(self._label, total=total)
        display.update(self._task, completed=done, total=total, description=f"{self._label}{_text(figures)}")
        if done >= total:
            display.remove_task(self._task)
            if not display.task_ids:
                self.close_all()

    @classmethod
    def close_all(cls) -> None:
        if cls._display is not None:
            cls._display.stop()
            cls._display = None

    @classmethod
    def _shared_display(cls) -> Progress:
        if cls._display is None:
            cls._display = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=rich.get_console(),  # the one that Kedro logs to
                transient=True,
            )
            cls._display.start()
        return cls._display


def _to_standard_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _text(figures: Mapping[str, float]) -> str:
    return "".join(f", {name} {value:.4g}" for name, value in figures.items())
