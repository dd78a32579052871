"""Independent random streams by name, so that one part can be made again without the others."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = ["Stream", "generator"]


class Stream(IntEnum):
    """What a random stream is for. Numbers are part of the data format: never renumber."""

    WORLD = 0
    SITES = 1
    PATIENTS = 2
    EVENTS = 3
    LIBRARY = 4
    ASSAYS = 5
    RESULTS = 6
    REFERRALS = 7
    CASES = 8
    APPEARANCES = 9
    SLIDE_PLAN = 10
    SLIDES = 11
    SCAN_PLAN = 12
    SCANS = 13
    PATHWAYS = 14
    SAMPLES = 15


def generator(seed: int, stream: Stream, part: int = 0) -> np.random.Generator:
    """A generator that depends on its arguments alone.

    Args:
        seed: Seed of the run.
        stream: Purpose.
        part: Shard number within the purpose.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), part))
    return np.random.Generator(np.random.PCG64(sequence))
