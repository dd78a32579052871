"""A folder of pictures with a table: groups, duplicates, workers, and every reason to refuse it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from picture_files import account, encoded, joined, noise, open_folder, png_of_declared_size, write_folder

from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.features.pictures import picture_features
from med_maml_pipeline.sources import worker_batches
from med_maml_pipeline.sources.pictures_decode import prepare_picture
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.spec_imaging import PictureOptions
from med_maml_pipeline.tasks.types import FeatureKind, TargetType

JOINED = "pictures with an exact duplicate, kept in one group with it"
SETS = "sets of exact duplicates (sets, not rows)"
CONFLICTS = "of them with different labels (sets, not rows)"
SPANNING = "of them joining several groups into one (sets, not rows)"


def pictures(count: int) -> dict[str, bytes]:
    """JPEG and PNG in turn, of several sizes and depths."""
    made = {}
    for i in range(count):
        shape = (20 + i % 5, 24, 3) if i % 3 else (18, 18)
        made[f"images/case-{i}.{'png' if i % 2 else 'jpg'}"] = encoded(
            noise(i, *shape), "PNG" if i % 2 else "JPEG"
        )
    return made


def table(files: dict[str, bytes], **columns: list[str]) -> str:
    n = len(files)
    frame = pd.DataFrame({"path": list(files), "label": [f"kind {'ab'[i % 2]}" for i in range(n)], **columns})
    return frame.to_csv(index=False)


def refusal(root: Path, options: dict[str, Any] | None = None, **entry: Any) -> str:
    """The one sentence that reading ends with; it names no file and no cell."""
    with pytest.raises(DataError) as error:
        joined(open_folder(root, options, **entry))
    message = str(error.value)
    assert "case-" not in message
    assert "kind " not in message
    assert message.startswith("source 'clinic'")
    assert message.count("\n") == 0
    return message


# ---- what is read


def test_rows_pixels_features_and_schema(tmp_path: Path) -> None:
    files = pictures(7)
    write_folder(tmp_path, files, table(files))
    options = {"size": 32, "features": ["colour", "texture"], "batch": 3}
    reading = open_folder(tmp_path, options)
    parts = list(reading.parts)
    assert [len(part.y) for part in parts] == [3, 3, 1]
    (schema,) = reading.schemas
    assert schema.table == "main"
    assert schema.image == (3, 32, 32)
    assert set(schema.kinds) == {FeatureKind.NUMERIC}
    assert schema.preprocessing["features"] == ["colour", "texture"]
    (target,) = schema.targets
    assert (target.target_type, target.n_classes) == (TargetType.BINARY, 2)
    assert target.classes == ("kind a", "kind b")
    prepared = np.stack([prepare_picture(file, PictureOptions(**options)) for file in files.values()])
    np.testing.assert_array_equal(np.concatenate([part.pixels for part in parts]), prepared)
    expected = picture_features(prepared, PictureOptions(**options))
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), expected)
    np.testing.assert_array_equal(np.concatenate([part.y for part in parts])[:, 0], [0, 1] * 3 + [0])
    assert len(set(np.concatenate([part.group_ids for part in parts]))) == 7
    assert account(reading)["rows read"] == (7, 0)


def test_result_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    files = pictures(10)
    write_folder(tmp_path, files, table(files))
    options = {"features": ["hog", "colour", "texture"], "batch": 2}
    alone = joined(open_folder(tmp_path, {**options, "workers": 1}))
    shared = joined(open_folder(tmp_path, {**options, "workers": 3}))
    for name in ("x", "y", "group_ids", "pixels"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(shared, name))


def test_few_batches_are_under_way_while_the_consumer_waits() -> None:
    given = []

    def jobs() -> Any:
        for job in range(50):
            given.append(job)
            yield job

    with worker_batches.Workers(2, Place("clinic", "table")) as workers:
        results = workers.map(abs, jobs())
        for expected in range(10):
            assert next(results) == expected
            assert len(given) <= expected + 3
        results.close()
    assert len(given) < 20


def test_a_worker_that_dies_is_one_sentence() -> None:
    with (
        worker_batches.Workers(2, Place("clinic", "table")) as workers,
        pytest.raises(DataError, match=r"worker process was ended.*lower 'options.batch'"),
    ):
        list(workers.map(os._exit, [1, 1]))


def test_pattern_groups_strata_positives_and_exclusions(tmp_path: Path) -> None:
    files = {f"images/{name}.png": encoded(noise(i, 16, 16)) for i, name in enumerate(("1.10", "007", "x"))}
    rows = "id,dx,patient,site\n1.10,mel,p,north\n007,nv,p,\nx,nv,q,south\ngone,junk,r,south\n"
    write_folder(tmp_path, files, rows, "meta.tsv")
    (tmp_path / "scans" / "meta.tsv").write_text(rows.replace(",", "\t"))
    roles = {"target": "dx", "file": "id", "file_pattern": "images/{}.png", "positive": ["mel"]}
    roles |= {"group": "patient", "stratum": "site", "exclude_rows": {"dx": ["junk"]}}
    reading = open_folder(tmp_path, labels="meta.tsv", columns=roles)
    part = joined(reading)
    assert part.group_ids.tolist() == ["p", "p", "q"]
    assert part.strata is not None
    assert part.strata.tolist() == ["north", "unknown", "south"]
    assert part.y[:, 0].tolist() == [1, 0, 0]
    assert account(reading)["excluded by 'dx'"] == (3, 1)


def test_parquet_table_with_numbers_as_files(tmp_path: Path) -> None:
    files = {f"images/{i}.png": encoded(noise(i, 16, 16)) for i in range(3)}
    write_folder(tmp_path, files, "")
    frame = pd.DataFrame({"id": [0.0, 1.0, 2.0], "label": ["a", "b", "a"]})
    frame.to_parquet(tmp_path / "scans" / "labels.parquet")
    reading = open_folder(
        tmp_path, labels="labels.parquet", columns={"file": "id", "file_pattern": "images/{}.png"}
    )
    assert len(joined(reading).y) == 3


def test_pictures_of_excluded_rows_are_not_unlisted(tmp_path: Path) -> None:
    files = pictures(4)
    write_folder(tmp_path, files, table(files, use=["y", "y", "y", "n"]))
    assert len(joined(open_folder(tmp_path, columns={"exclude_rows": {"use": ["n"]}})).y) == 3


# ---- duplicates


def test_exact_duplicates_are_one_group(tmp_path: Path) -> None:
    files = pictures(5)
    files["images/case-4.jpg"] = files["images/case-0.jpg"]
    write_folder(tmp_path, files, table(files))
    reading = open_folder(tmp_path, {"batch": 2})
    ids = joined(reading).group_ids
    assert ids[4] == ids[0]
    assert len(set(ids)) == 4
    assert account(reading)[JOINED] == (2, 0)
    assert account(reading)[SETS] == (1, 0)
    assert account(reading)[CONFLICTS] == (0, 0)


def test_groups_that_share_a_picture_are_joined_over_any_number_of_steps(tmp_path: Path) -> None:
    files = pictures(7)
    names = list(files)
    files[names[2]] = files[names[1]]  # joins q to p
    files[names[4]] = files[names[3]]  # joins r to q
    write_folder(tmp_path, files, table(files, patient=["p", "p", "q", "q", "r", "s", "s"]))
    reading = open_folder(tmp_path, columns={"group": "patient"})
    assert joined(reading).group_ids.tolist() == ["p"] * 5 + ["s"] * 2
    assert account(reading)[JOINED] == (4, 0)
    assert account(reading)[SPANNING] == (2, 0)
    assert account(reading)[CONFLICTS] == (2, 0)  # the labels alternate by row


# ---- what is refused


def test_truncated_jpeg_is_named_by_row(tmp_path: Path) -> None:
    files = pictures(5)
    files["images/case-2.jpg"] = files["images/case-2.jpg"][:300]
    write_folder(tmp_path, files, table(files))
    for options in ({"batch": 2}, {"batch": 2, "workers": 2}):
        message = refusal(tmp_path, options)
        assert "table 'labels.csv': the picture of row 3 is truncated or damaged; expected" in message


def test_row_number_is_that_of_the_table_after_exclusions(tmp_path: Path) -> None:
    files = pictures(5)
    files["images/case-4.jpg"] = b"no picture"
    write_folder(tmp_path, files, table(files, use=["n", "n", "y", "y", "y"]))
    message = refusal(tmp_path, columns={"exclude_rows": {"use": ["n"]}})
    assert "the picture of row 5 is neither JPEG nor PNG" in message


def test_giant_png_is_named_by_row(tmp_path: Path) -> None:
    files = pictures(3)
    files["images/case-1.png"] = png_of_declared_size(100_000, 100_000)
    write_folder(tmp_path, files, table(files))
    message = refusal(tmp_path)
    assert "row 2 declares 100,000 × 100,000 pixels; expected at most 40,000,000 pixels" in message


def test_absent_pictures_are_counted(tmp_path: Path) -> None:
    files = pictures(5)
    labels = table(files)
    del files["images/case-1.png"], files["images/case-4.jpg"]
    write_folder(tmp_path, files, labels)
    message = refusal(tmp_path)
    assert "2 of 5 rows name a picture that does not exist, first in row 2" in message
    assert "file_pattern" in message


def test_pictures_absent_from_the_table_are_counted_or_ignored(tmp_path: Path) -> None:
    files = pictures(6)
    kept = dict(list(files.items())[:4])
    write_folder(tmp_path, {**files, "images/notes.txt": b"", "images/._case.jpg": b""}, table(kept))
    assert "2 pictures under 'images' are in no row" in refusal(tmp_path)
    reading = open_folder(tmp_path, unlisted="ignore")
    assert len(joined(reading).y) == 4
    assert account(reading)["pictures that no row names (pictures, not rows)"] == (4, 2)


@pytest.mark.parametrize(
    "path", ["../outside.png", "/etc/hostname", "images/../../outside.png", "link.png", "out/a.png"]
)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    files = pictures(2)
    write_folder(tmp_path, files, table(files) + f"{path},kind a\n")
    (tmp_path / "outside.png").write_bytes(encoded(noise(0, 16, 16)))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(encoded(noise(0, 16, 16)))
    (tmp_path / "scans" / "link.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "scans" / "out").symlink_to(tmp_path / "elsewhere")
    message = refusal(tmp_path)
    assert "1 of 3 rows name a path that leaves the source's folder, first in row 3" in message
    assert "outside" not in message


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    files = pictures(3)
    write_folder(
        tmp_path, files, table({**files, "latest.jpg": b""}).replace("images/case-0.jpg,kind a\n", "")
    )
    (tmp_path / "scans" / "latest.jpg").symlink_to(tmp_path / "scans" / "images" / "case-0.jpg")
    assert len(joined(open_folder(tmp_path)).y) == 3


@pytest.mark.parametrize("again", ["images/case-1.png", "images/../images/case-1.png", "link.png"])
def test_rows_that_name_a_picture_twice_are_refused(tmp_path: Path, again: str) -> None:
    files = pictures(4)
    write_folder(tmp_path, files, table(files) + f"{again},kind a\n")
    (tmp_path / "scans" / "link.png").symlink_to("images/case-1.png")
    message = refusal(tmp_path)
    assert "1 of 5 rows name a picture that an earlier row names, first in row 5" in message


@pytest.mark.parametrize("cell", ["", "\0", "x" * 300, "images"])
def test_cells_that_name_no_file(tmp_path: Path, cell: str) -> None:
    files = pictures(3)
    frame = pd.read_csv(pd.io.common.StringIO(table(files)))
    frame.loc[3] = [cell, "kind a"]
    write_folder(tmp_path, files, "")
    frame.to_parquet(tmp_path / "scans" / "labels.parquet")
    message = refusal(tmp_path, labels="labels.parquet")
    assert re.search(r"1 of 4 rows name (no picture|a picture that does not exist), first in row 4", message)


def test_columns_that_cannot_be_used(tmp_path: Path) -> None:
    files = pictures(3)
    write_folder(tmp_path, files, table(files))
    assert "did you mean 'label'" in refusal(tmp_path, columns={"target": "labels"})
    assert "'file' is absent among 2 columns" in refusal(tmp_path, columns={"file": "file"})
    scans = tmp_path / "scans"
    (scans / "labels.csv").write_bytes("päth,label\nx,y\n".encode("latin-1"))
    assert "not UTF-8" in refusal(tmp_path)
    (scans / "labels.csv").write_text("path,label,label\na,b,c\n")
    assert "more than once" in refusal(tmp_path)
    (scans / "labels.csv").write_text(table(files).replace("kind b", ""))
    assert "missing (NaN) in 1 of 3 rows, first in row 2" in refusal(tmp_path)


def test_places_that_do_not_exist(tmp_path: Path) -> None:
    files = pictures(2)
    write_folder(tmp_path, files, table(files))
    assert "no such file or folder" in refusal(tmp_path, labels="others.csv")
    assert "no such file or folder" in refusal(tmp_path, pictures="scans")
    assert "no such file or folder" in refusal(tmp_path, path="nowhere")
    with pytest.raises(ConfigurationError, match="file_pattern"):
        open_folder(tmp_path, columns={"file_pattern": "images/x.png"})
