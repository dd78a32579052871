"""Bad pictures, arrays and matrices in a run of a project that has results already: told in one sentence.

What exactly each reader refuses is tested in `tests/sources`; here it is that a run ends well.
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import own_pictures
import own_samples
import pandas as pd
import pytest
import yaml
from spine_project import SpineProject

Defect = Callable[[Path, dict], tuple[str, str]]
"""Changes the raw files or the entry of the sources; gives the source and what must be said of it."""


@pytest.fixture(scope="module")
def project(finished: SpineProject, tmp_path_factory: pytest.TempPathFactory) -> SpineProject:
    """A finished run, and sound sources of a user's own beside it."""
    copy = finished.copied(tmp_path_factory.mktemp("bad_input") / "project")
    shutil.copytree(copy.path / "conf" / "test", copy.path / "conf" / "bad")
    (copy.path / "conf" / "bad" / "globals.yml").write_text("workspace: test\n")
    raw = copy.path / "data" / "01_raw" / "sound"
    raw.mkdir()
    own_pictures.write_pictures(raw / "pictures")
    own_pictures.write_arrays(raw / "arrays")
    own_samples.write_cohort(raw / "cohort.h5ad")
    own_samples.write_studies(raw / "studies", 1.0)
    return copy


def _absent_pictures(raw: Path, _: dict) -> tuple[str, str]:
    scans = sorted((raw / "pictures" / "scans").iterdir())
    for scan in scans[:3]:
        scan.unlink()
    return "my_pictures", "3 of 81 rows name a picture that does not exist, first in row 1"


def _a_picture_too_many(raw: Path, _: dict) -> tuple[str, str]:
    scans = raw / "pictures" / "scans"
    shutil.copy(next(scans.iterdir()), scans / "kanarie_extra.png")
    return "my_pictures", "1 pictures under 'scans' are in no row"


def _a_giant(raw: Path, _: dict) -> tuple[str, str]:
    scan = raw / "pictures" / "scans" / "kanarie_jane_doe_0.png"
    content = bytearray(scan.read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2  # width and height of the header, and its checksum
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    scan.write_bytes(content)
    return "my_pictures", "the picture of row 1 declares 100,000 × 100,000 pixels"


def _arrays_that_need_pickle(raw: Path, _: dict) -> tuple[str, str]:
    labels = np.array(["kanarie", None], dtype=object)
    np.savez(raw / "arrays" / "kanarie_2.npz", images=np.zeros((2, 22, 22), np.uint8), labels=labels)
    return "my_arrays", "the array 'labels' needs pickle"


def _negative_counts(raw: Path, _: dict) -> tuple[str, str]:
    cohort = anndata.read_h5ad(raw / "cohort.h5ad")
    cohort.layers["counts"][4, :3] = -1
    cohort.write_h5ad(raw / "cohort.h5ad")
    return "my_cohort", "3 cells are negative, first in row 5"


def _genes_as_rows(raw: Path, _: dict) -> tuple[str, str]:
    table = raw / "studies" / "liver.csv.gz"
    pd.read_csv(table).set_index("sample_id").T.to_csv(table)
    return "my_studies", "rows and columns seem to be swapped"


@pytest.mark.parametrize(
    "defect",
    [
        _absent_pictures,
        _a_picture_too_many,
        _a_giant,
        _arrays_that_need_pickle,
        _negative_counts,
        _genes_as_rows,
    ],
)
def test_bad_files_end_ingestion_in_one_sentence_and_leave_what_was_finished(
    project: SpineProject, defect: Defect
) -> None:
    before = _finished(project)
    source, problem, outcome = _run(project, defect, "ingestion")
    last = outcome.output.rstrip().splitlines()[-1]
    assert outcome.code == 1
    assert last.startswith(f"Error: source '{source}'")
    assert problem in last
    assert "Traceback" not in outcome.output
    assert "kanarie" not in outcome.output
    assert _finished(project) == before
    assert project.half_written() == []


def _a_class_too_rare(_: Path, imaging: dict) -> tuple[str, str]:
    (family,) = imaging["my_pictures"]["tasks"]
    family["split"] = {
        "mode": "named",
        "train": ["adenoma", "cyst", "fibrosis", "lipoma"],
        "validation": ["naevus", "polyp"],
        "test": ["ulcer", own_pictures.SELDOM],
    }
    return "my_pictures", f"the class, '{own_pictures.SELDOM}', has 1 groups and needs 4"


def test_a_named_class_with_fewer_groups_than_the_shots_ask_for(project: SpineProject) -> None:
    before = _finished(project)
    n_versions = len(project.versions("imaging_examples"))
    source, problem, outcome = _run(project, _a_class_too_rare, "ingestion,task_construction")
    last = outcome.output.rstrip().splitlines()[-1]
    assert outcome.code == 1
    assert last.startswith(f"Error: source '{source}', task family 'finding': fewer groups than the support")
    assert problem in last
    assert "kanarie" not in outcome.output
    record = project.records()[-1]
    assert record["error"] == {"type": "InfeasibleTaskError", "node": "imaging.construct_tasks"}
    assert len(project.versions("imaging_examples")) == n_versions + 1  # what was done by then stays as well
    assert before.items() <= _finished(project).items()
    assert f"data/09_tracking/{record['run_id']}.resume.yml" in outcome.output


def test_a_run_that_does_not_exist(project: SpineProject) -> None:
    before = _finished(project)
    for arguments in (("2020-01-01T00.00.00.000Z",), ("--resume", "2020-01-01T00.00.00.000Z")):
        outcome = project.kedro("rerun", *arguments)
        assert outcome.code == 1
        (line,) = outcome.output.splitlines()
        assert line.startswith("Error: there is no record of a run '2020-01-01T00.00.00.000Z'")
        assert project.records()[-1]["run_id"] in line  # what there is
    assert _finished(project) == before


def _run(project: SpineProject, defect: Defect, stages: str):
    """Runs the stages on a copy of the sound sources with one defect."""
    raw = project.path / "data" / "01_raw" / "mine"
    shutil.rmtree(raw, ignore_errors=True)
    shutil.copytree(raw.parent / "sound", raw)
    catalog = {
        name: entry
        for text in (own_pictures.CATALOG, own_samples.CATALOG)
        for name, entry in yaml.safe_load(text).items()
    }
    source, problem = defect(raw, catalog["imaging_sources"]["sources"])
    (name,) = (name for name, entry in catalog.items() if source in entry["sources"])
    catalog[name]["active_sources"] = [source]
    (project.path / "conf" / "bad" / "catalog_01_raw.yml").write_text(yaml.safe_dump(catalog))
    modality = name.removesuffix("_sources")
    run = ("run", "--env", "bad", "--pipelines", stages, "--namespaces", modality)
    return source, problem, project.kedro(*run)


def _finished(project: SpineProject) -> dict[Path, str]:
    """Checksums of all artifacts of all runs."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.path.glob("data/0[2-8]*/test/**/*")
        if path.is_file()
    }
