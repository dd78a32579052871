"""Conventions of the resolved catalog in every environment: versioned, no pickle, nothing in memory only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Pipeline

from med_maml_pipeline import settings
from med_maml_pipeline.pipelines.modalities import MODALITIES

REPO = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("base", "public", "test")
PATIENT_LEVEL = ("sources", "examples", "pools", "episodes", "predictions", "checkpoints")


def _catalog_config(environment: str) -> dict[str, Any]:
    loader = OmegaConfigLoader(
        str(REPO / "conf"), env=environment, **{**settings.CONFIG_LOADER_ARGS, "default_run_env": "base"}
    )
    return dict(loader["catalog"])


@pytest.fixture(scope="module")
def spine() -> Pipeline:
    configure_project("med_maml_pipeline")
    return pipelines["__default__"]


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def catalog(request: pytest.FixtureRequest) -> DataCatalog:
    return DataCatalog.from_config(_catalog_config(request.param), save_version="2026-01-01T00.00.00.000Z")


def _outputs(spine: Pipeline) -> list[str]:
    return sorted(spine.all_outputs())


def test_every_node_output_is_a_versioned_file(catalog, spine):
    assert len(_outputs(spine)) > 50
    for name in _outputs(spine):
        dataset = catalog.get(name)
        assert isinstance(dataset, AbstractVersionedDataset), name
        assert dataset.resolve_save_version() == "2026-01-01T00.00.00.000Z", name


def test_nothing_is_pickled(catalog, spine):
    for name in _outputs(spine):
        dataset = catalog.get(name)
        described = f"{type(dataset).__module__} {type(dataset).__name__} {dataset._describe()}".lower()
        for word in ("pickle", "pkl", "joblib", "torch.save"):
            assert word not in described, name


def test_every_free_input_is_a_source_or_a_parameter(catalog, spine):
    free = {name for name in spine.inputs() if not name.startswith("params:")}
    assert free == {f"{modality}_sources" for modality in MODALITIES}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_patient_level_data_has_no_preview(environment):
    config = _catalog_config(environment)
    found = 0
    for name, entry in config.items():
        if name.endswith(PATIENT_LEVEL):
            found += 1
            assert entry["metadata"]["kedro-viz"]["preview"] is False, name
    assert found >= len(PATIENT_LEVEL)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_entry_names_its_layer(environment):
    for name, entry in _catalog_config(environment).items():
        assert entry["metadata"]["kedro-viz"]["layer"], name


def test_environments_write_to_places_of_their_own(spine):
    places = [
        {str(catalog.get(name)._filepath) for name in _outputs(spine)}
        for catalog in (DataCatalog.from_config(_catalog_config(e)) for e in ENVIRONMENTS)
    ]
    assert not places[0] & places[1]
    assert not places[0] & places[2]
    assert not places[1] & places[2]


def test_stages_modalities_and_lanes_can_be_run_alone(spine):
    stages = {name for name in pipelines if name not in ("__default__", "personalisation")}
    assert {node.name for stage in stages for node in pipelines[stage].nodes} == {n.name for n in spine.nodes}
    for stage in stages:
        assert pipelines[stage].nodes
    for modality in MODALITIES:
        alone = spine.only_nodes_with_namespaces([modality])
        assert f"{modality}_scoreboard" in alone.outputs() | alone.all_outputs()
        assert f"{modality}_report" in alone.all_outputs()
        assert {n.name for n in spine.only_nodes_with_namespaces([f"{modality}.maml"]).nodes} == {
            f"{modality}.maml.meta_train",
            f"{modality}.maml.adapt",
        }
