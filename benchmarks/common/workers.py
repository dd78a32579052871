"""Processes that wait for "go", so that neither start-up nor the measuring process is measured."""

from __future__ import annotations

import ctypes
import multiprocessing
import platform
import re
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Worker", "agree", "in_fresh_process", "peak_growth", "timed"]

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class Worker:
    """A process with a fixed number of threads that calls functions and sends back what they return.

    Args:
        threads: Of PyTorch in that process.
    """

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch", "torchopt", "higher", "med_maml_pipeline.bilevel"])
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, threads), daemon=True)
        self._process.start()
        other.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Starts a function of an importable module."""
        self._pipe.send((function, arguments))

    def answer(self) -> Any:
        """What the function returned.

        Raises:
            RuntimeError: it failed; the message says why.
        """
        good, value = self._pipe.recv()
        if not good:
            raise RuntimeError(f"a measuring process failed: {value}")
        return value

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Starts a function and waits for it."""
        self.ask(function, *arguments)
        return self.answer()


def in_fresh_process(threads: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a function in a process of its own."""
    with Worker(threads) as worker:
        return worker.call(function, *arguments)


def timed(name: str, workload: Any, tasks: tuple[int, ...], calls: int) -> tuple[float, float]:
    """Start and end of ``calls`` meta-gradients, on the clock that all processes share, in seconds."""
    from common.contestants import CONTESTANTS
    from common.workloads import problem

    given = problem(workload, tasks)
    started = time.perf_counter()
    for _ in range(calls):
        CONTESTANTS[name](given)
    return started, time.perf_counter()


def agree(names: tuple[str, ...], workload: Any, tasks: tuple[int, ...]) -> dict[str, float]:
    """Relative distance of each contestant's float64 meta-gradient from the plain loop's."""
    import torch

    from common.contestants import gradients
    from common.workloads import problem

    given = problem(workload, tasks, torch.float64)
    reference = gradients("plain loop", given)
    return {
        name: float((gradients(name, given) - reference).norm() / reference.norm())
        for name in names
        if name != "plain loop"
    }


def peak_growth(name: str, workload: Any, tasks: tuple[int, ...], calls: int = 2) -> float:
    """How far the resident memory rises above its level before the first meta-gradient, in MiB.

    Inputs and parameters are there before; the gradient itself counts.
    """
    from common.contestants import CONTESTANTS
    from common.workloads import problem

    given = problem(workload, tasks)
    if name in ("TorchOpt", "higher"):
        _ = given.module
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)  # what making the inputs left behind is not to be used again
    _CLEAR.write_text("5")  # sets the peak back to the present
    before = _resident("VmRSS")
    for _ in range(calls):
        CONTESTANTS[name](given)
    return (_resident("VmHWM") - before) / 1024


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))


def _serve(pipe: Connection, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, function(*arguments)))
        except Exception as error:  # the asking process raises it
            pipe.send((False, f"{type(error).__name__}: {error}"))
