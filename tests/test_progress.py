"""Progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator

import pytest
import rich
from rich.console import Console

from med_maml_pipeline import progress
from med_maml_pipeline.learners.workers import run_jobs
from med_maml_pipeline.progress import FitReporter, close_bars, duration, reporter


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    one = _Clock()
    monkeypatch.setattr(progress, "monotonic", one)
    return one


def _console(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> io.StringIO:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, force_interactive=terminal)
    monkeypatch.setattr(rich, "get_console", lambda: console)
    return text


def test_lines_are_rare_and_tell_rate_figures_and_time_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: _Clock
) -> None:
    _console(monkeypatch, terminal=False)
    caplog.set_level(logging.INFO)
    report = reporter("ehr.maml: meta-training")
    for step in range(1, 101):
        clock.now += 0.5
        report(step, 100, {"loss": 1 / step})
    assert caplog.messages == [
        "ehr.maml: meta-training: 20 of 100 (2/s), loss 0.05, about 40 s left",
        "ehr.maml: meta-training: 40 of 100 (2/s), loss 0.025, about 30 s left",
        "ehr.maml: meta-training: 60 of 100 (2/s), loss 0.01667, about 20 s left",
        "ehr.maml: meta-training: 80 of 100 (2/s), loss 0.0125, about 10 s left",
        "ehr.maml: meta-training: 100 of 100 (2/s), loss 0.01",
    ]


def test_short_work_is_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: _Clock
) -> None:
    _console(monkeypatch, terminal=False)
    caplog.set_level(logging.INFO)
    report = reporter("quick")
    clock.now += 5
    report(1, 1, {})
    assert caplog.messages == []


def _reported(report: FitReporter) -> int:
    """Work of a job that takes no time by a clock that this process may set."""
    clock = _Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "monotonic", clock)
        tell = report("assay, fold 0, maml")
        for step in range(1, 26):
            clock.now += 1.0
            tell(step, 100, {"loss": 0.5, "validation": 0.75})
    return os.getpid()


def test_a_worker_process_writes_rare_lines_where_the_terminal_shows_them(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    processes = list(run_jobs(_reported, [FitReporter("molecules.maml")] * 2, workers=2))
    assert os.getpid() not in processes
    line = "molecules.maml: assay, fold 0, maml: {} of 100 (1/s), loss 0.5, validation 0.75, about {} left"
    each = [line.format(10, "2 min"), line.format(20, "80 s")]
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(each * 2)
    assert caplog.messages == []
    _reported(FitReporter("molecules.maml"))  # in the process that owns the log
    assert caplog.messages == each


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    yield _console(monkeypatch, terminal=True)
    close_bars()


def test_a_terminal_shows_a_bar_that_goes_when_the_work_is_done(terminal: io.StringIO) -> None:
    outer, inner = reporter("outer [x]"), reporter("inner")
    outer(1, 2, {"loss": 0.5})
    inner(3, 4, {})
    assert progress._Bar._display is not None
    progress._Bar._display.refresh()
    assert "outer [x], loss 0.5" in terminal.getvalue()
    assert "3/4" in terminal.getvalue()
    inner(4, 4, {})
    assert progress._Bar._display is not None
    outer(2, 2, {})
    assert progress._Bar._display is None


def test_bars_of_work_that_broke_off_are_taken_away(terminal: io.StringIO) -> None:
    report = reporter("broken")
    report(1, 2, {})
    close_bars()
    assert progress._Bar._display is None
    close_bars()
    report(2, 2, {})  # and the callback still works
    assert progress._Bar._display is None
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is shown again


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (48.2, "48 s"),
        (90, "2 min"),
        (3600, "1 h 0 min"),
        (4800, "1 h 20 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
