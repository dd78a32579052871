"""Snapshots: lazy in, lazy out, checked, and equal for equal content."""

from __future__ import annotations

import gc
import hashlib
import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from kedro.io import DataCatalog
from kedro.io.core import DatasetError, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from med_maml_pipeline.datasets import SnapshotDataset
from med_maml_pipeline.datasets.manifest import MANIFEST, CorruptError
from med_maml_pipeline.datasets.staging import SaveError

CONTENT = {
    "heart/main/part-00000.parquet": pa.table({"x": [1.5, None], "y": [0, 1]}),
    "heart/main/schema.json": {"features": ["a"], "n": np.int64(2)},
    "weights.safetensors": {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.zeros(1)},
    "table.csv": pd.DataFrame({"a": [0.1]}),
    "notes.txt": "größer",
    "raw.bin": b"\x00\x01",
}


@pytest.fixture
def dataset(tmp_path: Path) -> SnapshotDataset:
    return SnapshotDataset(str(tmp_path / "examples"), Version(None, "1"))


def test_everything_comes_back(dataset: SnapshotDataset) -> None:
    dataset.save(CONTENT)
    snapshot = dataset.load()
    assert snapshot.names() == tuple(CONTENT)
    assert snapshot.names("heart/") == tuple(CONTENT)[:2]
    assert "notes.txt" in snapshot
    assert "absent" not in snapshot
    assert snapshot.read("heart/main/part-00000.parquet").equals(CONTENT["heart/main/part-00000.parquet"])
    assert snapshot.read("heart/main/schema.json") == {"features": ["a"], "n": 2}
    # A transposed array, too: safetensors writes memory as it lies.
    np.testing.assert_array_equal(snapshot.read("weights.safetensors")["w"], [[0, 3], [1, 4], [2, 5]])
    pd.testing.assert_frame_equal(snapshot.read("table.csv"), CONTENT["table.csv"])
    assert snapshot.read("notes.txt") == "größer"
    assert snapshot.read("raw.bin") == b"\x00\x01"


def test_the_manifest_tells_the_truth(dataset: SnapshotDataset) -> None:
    dataset.save(CONTENT)
    snapshot = dataset.load()
    document = json.loads((snapshot.root / MANIFEST).read_text())
    for entry in document["files"]:
        content = (snapshot.root / entry["path"]).read_bytes()
        assert entry["size"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert document["total_size"] == snapshot.manifest.total_size == sum(e["size"] for e in document["files"])


def test_a_fingerprint_ignores_time_and_order_but_not_content(tmp_path: Path) -> None:
    def saved(version: str, content: dict[str, object]) -> str:
        one = SnapshotDataset(str(tmp_path / "s"), Version(None, version))
        one.save(content)
        return one.fingerprint()

    first = saved("1", CONTENT)
    assert saved("2", dict(reversed(CONTENT.items()))) == first
    assert saved("3", {**CONTENT, "notes.txt": "kleiner"}) != first
    assert saved("4", {**CONTENT, "renamed.txt": CONTENT["notes.txt"]}) != first


def test_parquet_bytes_depend_on_values_not_on_chunks(tmp_path: Path) -> None:
    whole = pa.table({"x": list(range(30_000)), "s": [str(n % 700) for n in range(30_000)]})
    chunked = pa.concat_tables([whole.slice(0, 3701), whole.slice(3701)])
    dataset = SnapshotDataset(str(tmp_path / "s"), Version(None, "1"))
    dataset.save({"a.parquet": whole, "b.parquet": chunked})
    a, b = dataset.load().manifest.entries
    assert a.sha256 == b.sha256


@pytest.mark.parametrize("name", ["raw.bin", "heart/main/part-00000.parquet", "weights.safetensors"])
def test_a_changed_byte_is_found(dataset: SnapshotDataset, name: str) -> None:
    dataset.save(CONTENT)
    path = dataset.load().root / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    snapshot = dataset.load()
    with pytest.raises(CorruptError, match="'examples', version '1', is changed after it was written"):
        snapshot.read(name)
    assert snapshot.read("notes.txt") == "größer"  # the others stay readable


def test_a_cut_or_missing_file_is_found_even_after_a_first_read(dataset: SnapshotDataset) -> None:
    dataset.save(CONTENT)
    snapshot = dataset.load()
    snapshot.read("notes.txt")
    (snapshot.root / "notes.txt").write_text("gr")
    with pytest.raises(CorruptError, match="another size"):
        snapshot.read("notes.txt")
    (snapshot.root / "raw.bin").unlink()
    with pytest.raises(CorruptError, match="missing"):
        snapshot.path("raw.bin")


def test_a_changed_manifest_is_found(dataset: SnapshotDataset) -> None:
    dataset.save(CONTENT)
    path = dataset.load().root / MANIFEST
    path.write_text(path.read_text().replace('"path": "notes.txt"', '"path": "../x.txt"'))
    with pytest.raises(CorruptError, match="the manifest of dataset 'examples' is damaged"):
        dataset.load()


def test_a_folder_without_manifest_is_no_version(dataset: SnapshotDataset, tmp_path: Path) -> None:
    dataset.save(CONTENT)
    (tmp_path / "examples" / "2" / "examples").mkdir(parents=True)
    assert SnapshotDataset(str(tmp_path / "examples"), Version(None, None)).resolve_load_version() == "1"
    pinned = SnapshotDataset(str(tmp_path / "examples"), Version("2", None))
    assert not pinned.exists()
    with pytest.raises(DatasetError, match="no complete version '2'"):
        pinned.load()


@pytest.mark.parametrize(
    "name", ["../x.txt", "/x.txt", "a/../../x", "a//b", "", ".", "./a", "a\\b", "a\0b", MANIFEST]
)
def test_a_name_that_leaves_the_folder_or_is_reserved_is_refused(
    dataset: SnapshotDataset, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SaveError, match="absolute, leaves its folder or is reserved"):
        dataset.save({"first.txt": "a", name: "b"})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_two_files_of_one_name_are_refused(dataset: SnapshotDataset) -> None:
    with pytest.raises(SaveError, match="two files of one name"):
        dataset.save([("a.txt", "1"), ("a.txt", "2")])


def test_an_object_without_a_format_is_refused_without_its_value(dataset: SnapshotDataset) -> None:
    with pytest.raises(DatasetError, match=r"'\.bin' files take text or bytes, not dict") as caught:
        dataset.save({"a.bin": {"name": "canary"}})
    assert "canary" not in str(caught.value)
    assert not dataset.exists()


class _Text(str):
    """A string that can be watched."""

    __slots__ = ("__weakref__",)


def test_only_one_part_is_alive_at_a_time(dataset: SnapshotDataset) -> None:
    alive: list[weakref.ref[_Text]] = []
    most = 0

    def parts() -> Iterator[tuple[str, _Text]]:
        nonlocal most
        for number in range(5):
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))
            text = _Text("x" * 1000)
            alive.append(weakref.ref(text))
            item = (f"{number}.txt", text)
            del text
            yield item
            del item

    dataset.save(parts())
    assert most == 0  # when the next part is made, the one before is gone
    assert len(dataset.load().names()) == 5


def test_a_node_may_return_a_lazy_iterable(tmp_path: Path) -> None:
    """Kedro hands it on as it is, because the node's function is not itself a generator function."""

    def parts() -> Iterator[tuple[str, str]]:
        yield "a.txt", "1"
        yield "b.txt", "2"

    def node() -> Iterator[tuple[str, str]]:
        return parts()

    config = {
        "out": {
            "type": "med_maml_pipeline.datasets.SnapshotDataset",
            "filepath": str(tmp_path / "out"),
            "versioned": True,
        }
    }
    catalog = DataCatalog.from_config(config, save_version="1")
    SequentialRunner().run(Pipeline([Node(node, None, "out", name="n")]), catalog)
    assert catalog.load("out").names() == ("a.txt", "b.txt")
