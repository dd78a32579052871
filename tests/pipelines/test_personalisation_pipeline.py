"""Personalisation in the graph: one node per modality and lane, beside the spine and not in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.io import AbstractVersionedDataset, DataCatalog

from med_maml_pipeline import settings
from med_maml_pipeline.pipelines.modalities import JUDGED_NAMESPACES, MODALITIES
from med_maml_pipeline.pipelines.personalisation import create_pipeline

CONF = Path(__file__).resolve().parents[2] / "conf"


def _catalog(**given: str) -> tuple[dict[str, Any], DataCatalog]:
    arguments = {**settings.CONFIG_LOADER_ARGS, "default_run_env": "base"}
    config = dict(OmegaConfigLoader(str(CONF), env="base", runtime_params=given, **arguments)["catalog"])
    return config, DataCatalog.from_config(config)


def test_a_namespace_names_one_node():
    own = create_pipeline()
    assert len(own.nodes) == len(MODALITIES) * len(JUDGED_NAMESPACES)
    for modality in MODALITIES:
        (node,) = own.only_nodes_with_namespaces([f"{modality}.maml"]).nodes
        assert node.name == f"{modality}.maml.personalise"
        assert node.outputs == [f"{modality}_maml_personal_predictions"]


def test_an_ensemble_reads_its_own_checkpoints_and_those_of_every_lane():
    for modality in MODALITIES:
        (node,) = create_pipeline().only_nodes_with_namespaces([f"{modality}.ensemble"]).nodes
        assert node.name == f"{modality}.ensemble.personalise"
        assert {name for name in node.inputs if name.endswith("_checkpoints")} == {
            f"{modality}_{namespace}_checkpoints" for namespace in JUDGED_NAMESPACES
        }
        assert node.outputs == [f"{modality}_ensemble_personal_predictions"]


def test_it_is_not_part_of_a_plain_run():
    configure_project("med_maml_pipeline")
    assert not {node.name for node in pipelines["__default__"].nodes} & {
        node.name for node in pipelines["personalisation"].nodes
    }
    assert not {name for name in pipelines["__default__"].datasets() if name.startswith("personal_")}


def test_predictions_are_versioned_and_never_previewed():
    config, catalog = _catalog()
    for name in create_pipeline().all_outputs():
        assert isinstance(catalog.get(name), AbstractVersionedDataset)
    entries = [entry for name, entry in config.items() if "personal" in name]
    assert len(entries) == 3
    for entry in entries:
        assert entry["metadata"]["kedro-viz"]["preview"] is False


@pytest.mark.parametrize("role", ["support", "query"])
def test_files_are_named_for_one_run(role):
    assert _catalog()[0][f"personal_{role}"]["filepath"] is None
    assert _catalog(**{role: "mine.csv"})[0][f"personal_{role}"]["filepath"] == "mine.csv"
