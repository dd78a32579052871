"""Checkpoints on disk and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from med_maml_pipeline.datasets import SnapshotDataset
from med_maml_pipeline.learners.checkpoints import checkpoint_files, load_checkpoints
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
    dataset.save(checkpoint_files("p", 3, "maml", Checkpoint("maml", arrays, {"hidden": [128, 64]})))
    ((key, back),) = load_checkpoints(dataset.load()).items()
    assert key == ("p", 3, "maml")
    assert back.facts == {"hidden": [128, 64]}
    for name, array in arrays.items():
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(back.arrays[name], array)
