"""Time and peak memory of a piece of work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

__all__ = ["Cost", "measured"]

_INTERVAL = 0.05  # seconds between two looks at the resident set


@dataclass
class Cost:
    """Filled when the ``with`` block ends.

    Attributes:
        seconds: Wall time.
        peak_memory_mib: Largest resident set of the process seen meanwhile, libraries included.
    """

    seconds: float = 0.0
    peak_memory_mib: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measures the block: ``with measured() as cost: ...``."""
    process = psutil.Process()
    cost = Cost(peak_memory_mib=process.memory_info().rss / 2**20)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_INTERVAL):
            cost.peak_memory_mib = max(cost.peak_memory_mib, process.memory_info().rss / 2**20)

    watcher = threading.Thread(target=watch, daemon=True)
    started = time.perf_counter()
    watcher.start()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - started
        done.set()
        watcher.join()
