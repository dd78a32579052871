"""Examples in the report: from the embedded hospital, and from nowhere else."""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from fabricated_run import collection
from kedro.io.core import Version
from PIL import Image
from pydantic import TypeAdapter

from med_maml_pipeline.datasets import MultiSourceDataset, SnapshotDataset
from med_maml_pipeline.errors import DataError
from med_maml_pipeline.pipelines.reporting.nodes import draw_examples
from med_maml_pipeline.reports import Evidence, draw_gallery, render_report
from med_maml_pipeline.reports.figures import contact_sheet, heat_map
from med_maml_pipeline.reports.gallery import NEVER
from med_maml_pipeline.reports.showcase import read_synthetic
from med_maml_pipeline.reports.stored import evidence_files, evidence_from
from med_maml_pipeline.sources.spec import SourceSpec

SPEC: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)
CANARY = (7, 211, 13)
"""A colour that only a real patient's picture has."""


def _pictures(path: str, dataset: str = "synthetic") -> dict[str, Any]:
    return {
        "format": "pictures",
        "dataset": dataset,
        "path": path,
        "columns": {"target": "diagnosis", "file": "path", "stratum": "site"},
        "tasks": [{"family": "diagnosis", "kind": "classes", "target": "diagnosis"}],
    }


def _samples(dataset: str = "synthetic") -> dict[str, Any]:
    return {
        "format": "h5ad",
        "dataset": dataset,
        "path": "cohort.h5ad",
        "columns": {"target": "diagnosis", "stratum": "site"},
        "scale": {"values": "counts", "scaling": "log"},
        "tasks": [{"family": "diagnosis", "kind": "classes", "target": "diagnosis"}],
    }


def _specs(**entries: Mapping[str, Any]) -> dict[str, SourceSpec]:
    return {name: SPEC.validate_python(entry) for name, entry in entries.items()}


def _write_pictures(folder: Path, colour: tuple[int, int, int]) -> None:
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(24):
        Image.new("RGB", (40, 40), colour).save(folder / "images" / f"{number}.png")
        facts = {"diagnosis": f"D{number % 4}", "site": "AB"[number % 8 // 4]}
        rows.append({"path": f"images/{number}.png", **facts})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


def _write_samples(folder: Path, genes: str) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(20, (48, 30))
    counts[::4, 3] += 200  # one class, one gene
    names = [f"{genes}{number:02d}" for number in range(30)]
    obs = pd.DataFrame(
        {"diagnosis": [f"D{n % 4}" for n in range(48)], "site": [f"S{n % 8 // 4}" for n in range(48)]},
        index=[f"sample{n}" for n in range(48)],
    )
    anndata.AnnData(counts.astype(np.float32), obs, pd.DataFrame(index=names)).write_h5ad(
        folder / "cohort.h5ad"
    )


def _colours(figure: Any) -> set[tuple[int, ...]]:
    """Colours of the pictures that a figure holds."""
    found: set[tuple[int, ...]] = set()
    for image in figure.layout.images:
        content = base64.b64decode(image.source.removeprefix("data:image/png;base64,"))
        pixels = np.asarray(Image.open(io.BytesIO(content)))
        found |= {tuple(colour) for colour in pixels[pixels[..., 3] > 0][:, :3].tolist()}
    return found


def test_synthetic_pictures_are_shown_and_real_ones_are_not_even_opened(tmp_path):
    _write_pictures(tmp_path / "slides", (200, 40, 160))
    _write_pictures(tmp_path / "clinic", CANARY)
    specs = _specs(slides=_pictures("slides"), clinic=_pictures("clinic", dataset="external"))
    figure = draw_gallery(specs, tmp_path)
    assert _colours(figure) == {(200, 40, 160)}
    assert "clinic" not in figure.to_json()
    (tmp_path / "clinic" / "labels.csv").unlink()  # reading it would fail now
    assert _colours(draw_gallery(specs, tmp_path)) == {(200, 40, 160)}


@pytest.mark.parametrize("write", [_write_pictures, _write_samples])
def test_without_a_synthetic_source_the_report_says_that_patients_are_never_shown(tmp_path, reported, write):
    if write is _write_pictures:
        write(tmp_path / "clinic", CANARY)
        specs = _specs(clinic=_pictures("clinic", dataset="external"))
    else:
        write(tmp_path, "PATIENTGENE")
        specs = _specs(clinic=_samples(dataset="external"))
    figure = draw_gallery(specs, tmp_path)
    assert not figure.data
    assert not figure.layout.images
    html = render_report(reported["ehr"].scoreboard, [Evidence("ehr", gallery=figure)], {})
    assert NEVER in html.replace("&#39;", "'")
    assert "image/png" not in html
    assert "PATIENTGENE" not in html


def test_a_synthetic_path_cannot_lead_out_of_the_snapshot(tmp_path):
    _write_pictures(tmp_path / "clinic", CANARY)
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "slides").symlink_to(tmp_path / "clinic", target_is_directory=True)
    for path in ("../clinic", "slides", str(tmp_path / "clinic")):
        with pytest.raises(DataError, match="leaves its folder"):
            read_synthetic(_specs(slides=_pictures(path)), tmp_path / "snapshot")


def test_the_node_reads_the_snapshot_and_never_the_data_root(tmp_path):
    _write_pictures(tmp_path / "root" / "slides", CANARY)
    made = tmp_path / "made"
    _write_pictures(made, (200, 40, 160))
    files = [(f"slides/{f.relative_to(made).as_posix()}", f.read_bytes()) for f in sorted(made.rglob("*.*"))]
    version = Version(None, "2026-01-01T00.00.00.000Z")
    snapshot = SnapshotDataset(filepath=str(tmp_path / "synthetic_imaging"), version=version)
    snapshot.save(files)
    sources = MultiSourceDataset(
        "root", {"slides": _pictures("slides")}, ["slides"], "imaging", str(tmp_path)
    )
    assert _colours(draw_examples(sources.load(), snapshot.load())) == {(200, 40, 160)}


def test_expression_is_shown_as_means_with_its_unit(tmp_path):
    _write_samples(tmp_path, "GENE")
    figure = draw_gallery(_specs(cohort=_samples()), tmp_path)
    content = json.loads(figure.to_json())
    assert [trace["type"] for trace in content["data"]] == ["heatmap"] * 3  # two sites and the key
    assert content["layout"]["xaxis3"]["title"]["text"] == "log2 CPM, minus the gene's mean"
    first = content["data"][0]
    assert (len(first["z"]), len(first["z"][0])) == (4, 24)
    assert "D0, GENE03" in first["customdata"][0]
    assert first["z"][0][first["customdata"][0].index("D0, GENE03")] > 1.5
    assert "sample" not in {word for row in first["customdata"] for cell in row for word in cell.split()}


def test_few_samples_make_no_mean():
    one = collection("cohort", np.random.default_rng(0))
    rare = (one.sites == "A") & (one.classes == one.classes[0])
    kept = np.flatnonzero(~rare | (np.cumsum(rare) <= 2))
    fields = {name: getattr(one, name)[kept] for name in ("classes", "sites", "x")}
    shown = heat_map(
        "title", type(one)(one.label, features=one.features, pixels=None, unit=one.unit, **fields)
    )
    row = sorted(set(one.classes)).index(one.classes[0])
    assert set(shown.data[0].z[row]) == {None}
    assert None not in shown.data[1].z[row]


def test_a_contact_sheet_holds_each_picture_once_and_says_its_size():
    rng = np.random.default_rng(0)
    figure = contact_sheet("title", [collection("slides", rng, pixels=(3, 32, 32))])
    assert "12 of 15 classes; 32 × 32 pixels, RGB" in figure.layout.annotations[0].text
    assert len(figure.data[0].text) == len(set(zip(figure.data[0].x, figure.data[0].y, strict=True)))
    assert max(figure.data[0].text.count(text) for text in figure.data[0].text) <= 3
    assert figure.layout.xaxis.ticktext == ("A", "B", "C")
    assert len(figure.layout.yaxis.ticktext) == 12
    aspect = figure.layout.meta["aspects"][0]
    assert aspect == pytest.approx(12 / figure.layout.xaxis.range[1])


def test_a_gallery_survives_the_disk(reported):
    evidence = reported["imaging"].evidence()
    files = {name: content for name, content in evidence_files(evidence) if name.endswith(".json")}
    tables = {"tasks.parquet": pd.DataFrame()}
    assert evidence.gallery is not None
    assert json.loads(files["gallery.json"]) == json.loads(evidence.gallery.to_json())

    def read(name: str) -> Any:
        import pyarrow as pa

        if name.endswith(".json"):
            return json.loads(files[name])
        return pa.table({}) if name in tables else pd.DataFrame()

    back = evidence_from("imaging", tuple(files), read)
    assert back.gallery == evidence.gallery
    assert evidence_from("ehr", (), read).gallery is None
