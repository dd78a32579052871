"""Nodes make what an active source asks for, and nothing otherwise."""

from __future__ import annotations

from pathlib import Path

import yaml
from synthetic_hospital import REPO

from med_maml_pipeline.datasets.multi_source import MultiSourceDataset, SourceSet
from med_maml_pipeline.pipelines.synthetic_hospital.nodes import make_expression, make_imaging, make_truth
from med_maml_pipeline.pipelines.synthetic_hospital.pipeline import create_pipeline

SIZES = {"n_patients": 300, "n_molecules": 100, "n_slides": 100, "n_scans": 100, "n_expression_samples": 100}


def _sources(modality: str, *, active: bool = True) -> SourceSet:
    entry = yaml.safe_load((REPO / "conf/base/catalog_01_raw.yml").read_text())[f"{modality}_sources"]
    names = entry["active_sources"] if active else []
    return MultiSourceDataset("data", entry["sources"], names, modality).load()


def test_files_are_made_only_where_a_source_is_active() -> None:
    assert dict(make_imaging(_sources("imaging", active=False), SIZES, 0)) == {}
    assert dict(make_expression(_sources("expression", active=False), SIZES, 0)) == {}
    assert list(dict(make_expression(_sources("expression"), SIZES, 0))) == ["expression.h5ad"]
    made = [Path(path) for path, _ in make_imaging(_sources("imaging"), SIZES, 0)]
    assert {path.parts[0] for path in made} == {"slides", "scans"}


def test_the_truth_is_kept_as_soon_as_one_kind_is_asked_for() -> None:
    none = [_sources(kind, active=False) for kind in ("imaging", "expression")]
    assert dict(make_truth(SIZES, 0, *none)) == {}
    assert "slides.parquet" in dict(make_truth(SIZES, 0, *none, _sources("expression")))


def test_each_kind_has_a_node_in_its_namespace() -> None:
    pipeline = create_pipeline()
    outputs = {node.namespace: node.outputs for node in pipeline.nodes if node.namespace}
    assert outputs == {name: [f"synthetic_{name}"] for name in outputs}
    (truth,) = (node for node in pipeline.nodes if node.namespace is None)
    assert {f"{name}_sources" for name in outputs} <= set(truth.inputs)
