"""Checkpoints on disk and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from med_maml_pipeline.datasets import SnapshotDataset
from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.checkpoints import (
    CheckpointKey,
    checkpoint_files,
    checkpoint_keys,
    load_checkpoints,
)
from med_maml_pipeline.learners.protocol import Checkpoint


def test_arrays_come_back_bit_for_bit_in_shape_and_type(tmp_path):
    from kedro.io import Version

    arrays: dict[str, Any] = {
        "scalar": np.array(0.1, dtype=np.float64),
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "empty": np.empty((0, 4), dtype=np.int64),
    }
    dataset = SnapshotDataset(str(tmp_path / "checkpoints"), version=Version(None, "one"))
    key = CheckpointKey("p", 3, "maml", 7)
    dataset.save(checkpoint_files(key, Checkpoint("maml", arrays, {"hidden": [128, 64]})))
    ((found, back),) = load_checkpoints(dataset.load()).items()
    assert found == key == ("p", 3, "maml", 7)
    assert back.facts == {"hidden": [128, 64]}
    for name, array in arrays.items():
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(back.arrays[name], array)


def test_each_seed_has_files_of_its_own():
    names = [name for seed in (0, 1) for name, _ in checkpoint_files(key(seed), Checkpoint("maml"))]
    assert names == [
        "p/3/0/maml.safetensors", "p/3/0/maml.json", "p/3/1/maml.safetensors", "p/3/1/maml.json",
    ]  # fmt: skip


def key(seed: int) -> CheckpointKey:
    return CheckpointKey("p", 3, "maml", seed)


@pytest.mark.parametrize("name", ["p/0/maml.safetensors", "a/p/0/maml.safetensors"])
def test_files_of_an_earlier_version_are_refused(name):
    class Earlier:
        def names(self, prefix: str = "") -> list[str]:
            return [name]

        def read(self, name: str) -> Any:
            raise AssertionError("nothing is read")

    with pytest.raises(DataError, match="not named as this version names them; .*meta-train again"):
        checkpoint_keys(Earlier())
