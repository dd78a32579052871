"""MedMNIST-style .npz files: layouts, shards, duplicates, and every reason to refuse one."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import account, joined, noise, open_arrays

from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.features.picture_pixels import prepare_pixels
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.tasks.types import TargetType

LABELS = np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)


def refusal(root: Path, path: str = "a.npz", **entry: Any) -> str:
    with pytest.raises(DataError) as error:
        joined(open_arrays(root, path, **entry))
    message = str(error.value)
    assert message.startswith("source 'clinic', path '")
    assert "\n" not in message
    return message


# ---- what is read


def test_parts_of_a_file_are_joined_in_order(tmp_path: Path) -> None:
    images = noise(0, 6, 20, 24, 3)
    arrays = {
        "test_images": images[4:], "test_labels": LABELS[4:, None],
        "train_images": images[:3], "train_labels": LABELS[:3, None],
        "val_images": images[3:4], "val_labels": LABELS[3:4, None],
    }  # fmt: skip
    np.savez_compressed(tmp_path / "a.npz", **arrays, notes=np.array([{"left": "alone"}], dtype=object))
    reading = open_arrays(tmp_path, "a.npz", {"batch": 2}, classes=["x", "y", "z"], target="organ")
    part = joined(reading)
    expected = [prepare_pixels(image, PictureOptions(size=16)) for image in images]
    np.testing.assert_array_equal(part.pixels, np.stack(expected))
    assert part.y[:, 0].tolist() == LABELS.tolist()
    (target,) = reading.schemas[0].targets
    assert (target.name, target.target_type, target.classes) == (
        "organ",
        TargetType.MULTICLASS,
        ("x", "y", "z"),
    )
    assert reading.schemas[0].image == (3, 16, 16)


def test_shards_are_read_by_name_whatever_their_channels_depth_and_order(tmp_path: Path) -> None:
    grey = noise(1, 6, 18, 18)
    (tmp_path / "shards").mkdir()
    stored = {
        "c": np.asfortranarray(grey[4:]),
        "a": grey[:2].astype(">u2") * 257,
        "b": np.repeat(grey[2:4, ..., None], 3, axis=-1),
    }
    for i, name in enumerate(stored):
        labels = LABELS[[4, 5, 0, 1, 2, 3]][2 * i : 2 * i + 2].astype(np.int64)
        np.savez(tmp_path / "shards" / f"{name}.npz", images=stored[name], labels=labels)
    (tmp_path / "shards" / "manifest.json").write_text("{}")
    part = joined(open_arrays(tmp_path, "shards", {"channels": 1}))
    expected = [prepare_pixels(image, PictureOptions(size=16, channels=1)) for image in grey]
    np.testing.assert_array_equal(part.pixels, np.stack(expected))
    assert part.y[:, 0].tolist() == LABELS.tolist()


def test_result_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=noise(2, 6, 20, 20), labels=LABELS)
    options = {"features": ["hog", "texture"], "batch": 2}
    alone, shared = (joined(open_arrays(tmp_path, "a.npz", {**options, "workers": n})) for n in (1, 2))
    np.testing.assert_array_equal(alone.pixels, shared.pixels)
    np.testing.assert_array_equal(alone.x, shared.x)


def test_groups_strata_and_duplicates(tmp_path: Path) -> None:
    images = noise(3, 6, 16, 16)
    images[5] = images[0]
    names = np.array(["p", "p", "q", "q", "r", "s"])
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS, groups=names, strata=np.arange(6)[:, None])
    reading = open_arrays(tmp_path, "a.npz")
    part = joined(reading)
    assert part.group_ids.tolist() == ["p", "p", "q", "q", "r", "p"]
    assert part.strata is not None
    assert part.strata.tolist() == list("012345")
    steps = account(reading)
    assert steps["pictures with an exact duplicate, kept in one group with it"] == (2, 0)
    assert steps["of them with different labels (sets, not rows)"] == (1, 0)


def test_without_groups_a_picture_is_its_own_and_duplicates_are_one(tmp_path: Path) -> None:
    images = noise(4, 6, 16, 16)
    images[3] = images[0]
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    ids = joined(open_arrays(tmp_path, "a.npz")).group_ids
    assert ids[3] == ids[0]
    assert len(set(ids)) == 5


def test_positive_classes_and_classes_that_do_not_occur(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=noise(5, 6, 16, 16), labels=2 * LABELS)
    reading = open_arrays(tmp_path, "a.npz", classes=["x", "never", "y", "neither", "z"])
    assert reading.schemas[0].targets[0].classes == ("x", "y", "z")
    assert open_arrays(tmp_path, "a.npz").schemas[0].targets[0].classes == ("0", "2", "4")
    binary = open_arrays(tmp_path, "a.npz", positive=["4"])
    assert binary.schemas[0].targets[0].target_type == TargetType.BINARY
    assert joined(binary).y[:, 0].tolist() == [0, 0, 1, 0, 0, 1]


def test_only_a_batch_of_pictures_is_in_memory(tmp_path: Path) -> None:
    images = np.zeros((600, 128, 128, 3), dtype=np.uint8)  # 28 MiB
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(600), 256)
    np.savez_compressed(tmp_path / "a.npz", images=images, labels=np.arange(600) % 3)
    del images
    reading = open_arrays(tmp_path, "a.npz", {"batch": 20})
    tracemalloc.start()
    assert sum(len(part.y) for part in reading.parts) == 600
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 2**20


# ---- what is refused


def test_pickle_is_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([noise(0, 16, 16), None], dtype=object), labels=LABELS[:2])
    assert "the array 'images' needs pickle, which could run code" in refusal(tmp_path)
    np.savez(tmp_path / "a.npz", images=noise(0, 6, 16, 16), labels=np.array(list("abcabc"), dtype=object))
    assert "the array 'labels' needs pickle" in refusal(tmp_path)
    (tmp_path / "a.npz").write_bytes(pickle.dumps({"images": [1], "labels": [1]}))
    assert "damaged or no .npz archive" in refusal(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("images", "labels"):
            archive.writestr(f"{name}.npy", pickle.dumps([1]))
    assert "damaged or no .npz archive" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"pictures": noise(0, 6, 16, 16)}, "holds no array of pictures"),
        ({"images": noise(0, 6, 16, 16)}, "'labels' is missing beside 'images'"),
        ({"val_labels": LABELS}, "'val_images' is missing beside 'val_labels'"),
        ({"images": noise(0, 5, 16, 16), "labels": LABELS}, "its shape is [6] beside 5 pictures"),
        ({"images": noise(0, 6, 16, 16), "labels": np.eye(6, 3, dtype=int)}, "its shape is [6, 3] beside 6"),
        ({"images": noise(0, 6, 16, 16) / 255, "labels": LABELS}, "pictures are of type float64"),
        ({"images": noise(0, 6, 16, 16).astype(int), "labels": LABELS}, "pictures are of type int64"),
        ({"images": noise(0, 6, 16, 16), "labels": LABELS / 1}, "its type is float64"),
        ({"images": noise(0, 6, 256), "labels": LABELS}, "the shape [6, 256]"),
        ({"images": noise(0, 6, 3, 16, 16), "labels": LABELS}, "move the channels last"),
        ({"images": noise(0, 6, 16, 16, 16), "labels": LABELS}, "a volume is no picture"),
        ({"images": noise(0, 6, 0, 16), "labels": LABELS}, "the shape [6, 0, 16]"),
        ({"images": np.uint8(3), "labels": LABELS}, "the shape []"),
        ({"images": noise(0, 6, 16, 16), "labels": 0 * LABELS}, "the labels hold 1 classes"),
        (
            {"images": noise(0, 6, 16, 16), "labels": LABELS, "groups": LABELS[:4]},
            "array 'groups': its shape is [4]",
        ),
        ({"images": noise(0, 6, 16, 16), "labels": LABELS, "strata": LABELS / 2}, "'strata': its type"),
    ],
)
def test_layouts_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], problem: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert problem in refusal(tmp_path)


def test_labels_beyond_the_named_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=noise(0, 6, 16, 16), labels=LABELS)
    message = refusal(tmp_path, classes=["x", "y"])
    assert (
        "2 of 6 labels have no name in 'classes', first at picture 3; expected numbers from 0 to 1" in message
    )
    np.savez(tmp_path / "a.npz", images=noise(0, 6, 16, 16), labels=LABELS.astype(int) - 1)
    assert "2 of 6 labels" in refusal(tmp_path, classes=["x", "y", "z"])
    with pytest.raises(ConfigurationError, match="names a class twice"):
        open_arrays(tmp_path, "a.npz", classes=["x", "x"])


def test_groups_in_some_arrays_only(tmp_path: Path) -> None:
    images = noise(0, 6, 16, 16)
    np.savez(
        tmp_path / "a.npz",
        train_images=images, train_labels=LABELS, train_groups=LABELS, val_images=images, val_labels=LABELS,
    )  # fmt: skip
    assert "1 of 2 arrays of pictures have no 'groups'" in refusal(tmp_path)


def bomb(path: Path, shape: tuple[int, ...], dtype: str = "|u1", member: str = "images") -> None:
    """An archive whose member declares that shape over a few zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("images", "labels"):
            array = io.BytesIO()
            np.save(array, noise(0, 2, 16, 16) if name == "images" else LABELS[:2])
            archive.writestr(
                f"{name}.npy", header.getvalue() + bytes(2**20) if name == member else array.getvalue()
            )


@pytest.mark.parametrize(
    ("shape", "member", "problem"),
    [
        ((10**6, 1000, 1000, 3), "images", "declares another size than it has"),
        ((1, 1024, 512), "images", "declares another size than it has"),
        ((10**11,), "labels", "declares another size than it has"),
    ],
)
def test_declared_sizes_are_compared_before_anything_is_read(
    tmp_path: Path, shape: tuple[int, ...], member: str, problem: str
) -> None:
    bomb(tmp_path / "a.npz", shape, member=member)
    tracemalloc.start()
    assert problem in refusal(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2**20


def test_pictures_over_the_limit(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((6, 20, 20), dtype=np.uint8), labels=LABELS)
    assert "each picture declares 20 × 20 values" in refusal(tmp_path, options={"max_pixels": 399})


def test_damaged_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=noise(0, 6, 64, 64), labels=LABELS)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    assert "damaged or no .npz archive" in refusal(tmp_path)
    flipped = bytearray(whole)
    flipped[10_000] ^= 255
    (tmp_path / "a.npz").write_bytes(flipped)
    assert "damaged or no .npz archive" in refusal(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"")
    assert "damaged or no .npz archive" in refusal(tmp_path)


def test_shards_are_named_by_number_and_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    assert "holds no .npz file" in refusal(tmp_path, "shards")
    np.savez(folder / "case-1.npz", images=noise(0, 6, 16, 16), labels=LABELS)
    np.savez(folder / "case-2.npz", images=noise(0, 6, 16, 16))
    message = refusal(tmp_path, "shards")
    assert "path 'shards', file 2 of 2: " in message
    assert "case-" not in message
    np.savez(tmp_path / "out.npz", images=noise(0, 6, 16, 16), labels=LABELS)
    (folder / "case-2.npz").unlink()
    (folder / "case-2.npz").symlink_to(tmp_path / "out.npz")
    assert "file 2 of 2: a link leads out of the folder" in refusal(tmp_path, "shards")
