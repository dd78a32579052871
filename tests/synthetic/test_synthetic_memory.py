"""Memory of the generator does not grow with the number of shards."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_ehr, write_truth

Writer = Callable[[SyntheticHospitalSettings, int], Iterator[tuple[str, Any]]]


def _peaks(write: Writer, shards: int) -> tuple[int, int]:
    """Highest NumPy/Python memory while consuming, and highest Arrow memory between two files."""
    settings = SyntheticHospitalSettings(n_patients=400 * shards, patients_per_shard=400, n_molecules=100)
    before, arrow = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        for _path, _content in write(settings, 0):
            arrow = max(arrow, pa.total_allocated_bytes() - before)
        return tracemalloc.get_traced_memory()[1], arrow
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("write", [write_ehr, write_truth])
def test_eight_shards_take_the_memory_of_two(write: Writer) -> None:
    """Two, not one: whoever consumes the files holds one while the next is made."""
    _peaks(write, 1)  # imports and caches
    two, eight = _peaks(write, 2), _peaks(write, 8)
    assert two[0] > 1e5
    assert eight[0] < 1.1 * two[0]
    assert eight[1] < 1.1 * two[1] + 1e5
