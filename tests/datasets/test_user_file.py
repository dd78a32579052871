"""A user's own file: untouched until a run needs it, read only, nameless."""

from __future__ import annotations

import hashlib

import pytest
from kedro.io.core import DatasetError

from med_maml_pipeline.datasets import UserFileDataset
from med_maml_pipeline.errors import DataError


def test_it_gives_the_path_and_a_digest(tmp_path):
    file = tmp_path / "smith.csv"
    file.write_text("id,label\n")
    dataset = UserFileDataset("support", str(file))
    assert dataset.load() == file
    assert dataset.fingerprint() == hashlib.sha256(b"id,label\n").hexdigest()
    assert "smith" not in str(dataset)


@pytest.mark.parametrize(("name", "problem"), [(None, "no file was named"), ("x", "there is no such file")])
def test_what_is_not_there_is_told_when_it_is_needed(tmp_path, name, problem):
    dataset = UserFileDataset("query", None if name is None else str(tmp_path / name))
    assert dataset.exists()
    with pytest.raises(DataError, match=f"query table: {problem}; .* name it with --params query=FILE"):
        dataset.fingerprint()


def test_it_is_never_written(tmp_path):
    with pytest.raises(DatasetError, match="never written"):
        UserFileDataset("query", str(tmp_path / "x")).save(tmp_path)
    assert not list(tmp_path.iterdir())
