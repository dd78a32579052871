"""What Kedro-Viz draws: namespaces, layers, previews, a sentence for each node; a page for each pipeline."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from med_maml_pipeline import settings
from med_maml_pipeline.datasets import SyntheticDataset
from med_maml_pipeline.pipelines.modalities import ENSEMBLE, JUDGED_NAMESPACES, LANE_NAMESPACES, MODALITIES
from med_maml_pipeline.reports import FIGURES

REPO = Path(__file__).resolve().parents[2]
STAGES = sorted(p.parent.name for p in (REPO / "src/med_maml_pipeline/pipelines").glob("*/pipeline.py"))
LAYERS = ("raw", "intermediate", "model_input", "models", "model_output", "reporting")
OUTPUTS = ("scoreboard", "evidence", "report", "ensemble_checkpoints")
"""What a kind of data hands over; the last one to personalisation alone."""
OUTSIDE_NAMESPACES = {"make_synthetic_truth", "merge_scoreboards", "render_report"}
# Counts, settings, costs, scores and figures: all that may be shown of data that are not made.
AGGREGATES = re.compile(
    r"(_attrition|_tasks|_leakage_audit|_history|_selection|_costs|scoreboard|_figure_\w+|_gallery)$"
)


@pytest.fixture(scope="module")
def everything() -> Pipeline:
    configure_project("med_maml_pipeline")
    return pipelines["__default__"] + pipelines["personalisation"]


@pytest.fixture(scope="module", params=["base", "public"])
def catalog(request: pytest.FixtureRequest) -> DataCatalog:
    loader = OmegaConfigLoader(
        str(REPO / "conf"), env=request.param, **{**settings.CONFIG_LOADER_ARGS, "default_run_env": "base"}
    )
    return DataCatalog.from_config(dict(loader["catalog"]))


def _datasets(pipeline: Pipeline) -> list[str]:
    return sorted(name for name in pipeline.datasets() if not name.startswith("param"))


def _crossing(pipeline: Pipeline, namespace: str) -> tuple[set[str], set[str]]:
    """Datasets that a collapsed namespace takes, and those it gives or leaves."""
    inside = pipeline.only_nodes_with_namespaces([namespace])
    used_elsewhere = (pipeline - inside).inputs()
    return (
        {name for name in inside.inputs() if not name.startswith("params:")},
        inside.outputs() | (used_elsewhere & inside.all_outputs()),
    )


def test_namespaces_nest_as_modality_and_lane(everything):
    lanes = {f"{modality}.{lane}" for modality in MODALITIES for lane in JUDGED_NAMESPACES}
    assert {node.namespace for node in everything.nodes} == {None, *MODALITIES, *lanes}
    assert {node.name for node in everything.nodes if node.namespace is None} == OUTSIDE_NAMESPACES


def test_a_collapsed_modality_has_one_input_and_four_outputs(everything):
    """What makes the first picture readable: a report that took every figure of every modality would not."""
    for modality in MODALITIES:
        taken, given = _crossing(pipelines["__default__"], modality)
        assert taken == {f"{modality}_sources"}
        assert given == {f"{modality}_{name}" for name in OUTPUTS}


def test_collapsed_lanes_look_alike(everything):
    for modality in MODALITIES:
        for lane in LANE_NAMESPACES:
            taken, given = _crossing(pipelines["__default__"], f"{modality}.{lane}")
            assert taken == {f"{modality}_{name}" for name in ("examples", "tasks", "pools", "episodes")}
            assert given == {
                f"{modality}_{lane}_{name}"
                for name in ("history", "selection", "costs", "predictions", "validation_predictions")
            }


def test_a_collapsed_ensemble_takes_the_lanes_predictions_and_no_checkpoint(everything):
    for modality in MODALITIES:
        taken, given = _crossing(pipelines["__default__"], f"{modality}.{ENSEMBLE}")
        assert taken == {
            *(f"{modality}_{name}" for name in ("examples", "tasks", "pools", "episodes")),
            *(
                f"{modality}_{lane}_{name}"
                for lane in LANE_NAMESPACES
                for name in ("predictions", "validation_predictions", "costs")
            ),
        }
        assert given == {
            f"{modality}_{ENSEMBLE}_{name}" for name in ("checkpoints", "predictions", "selection", "costs")
        }


def test_kedro_viz_shows_little_at_first():
    from kedro_viz.data_access.repositories.modular_pipelines import ModularPipelinesRepository

    repository = ModularPipelinesRepository()
    repository.populate_tree(pipelines["__default__"])
    root = repository.as_dict()["__root__"]
    kinds = [child.type.value for child in root.children if child.id not in repository.parameters]
    assert kinds.count("modularPipeline") == len(MODALITIES)
    assert kinds.count("data") == (1 + len(OUTPUTS)) * len(MODALITIES)


def test_every_node_says_in_one_sentence_what_it_does(everything):
    for node in everything.nodes:
        told = inspect.getdoc(node.func)
        assert told, node.name
        first = told.splitlines()[0]
        assert first.endswith("."), node.name
        assert 20 <= len(first) <= 120, node.name


def test_every_dataset_has_a_layer(everything, catalog):
    for name in _datasets(everything):
        assert catalog.get(name).metadata["kedro-viz"]["layer"] in LAYERS, name


def test_no_node_goes_back_a_layer(everything, catalog):
    def layer(name: str) -> int:
        return LAYERS.index(catalog.get(name).metadata["kedro-viz"]["layer"])

    for node in everything.nodes:
        taken = [layer(name) for name in node.inputs if not name.startswith("params:")]
        assert max(taken) <= min(map(layer, node.outputs)), node.name


def test_only_aggregates_and_made_data_are_previewed(everything, catalog):
    previewed = set()
    for name in _datasets(everything):
        dataset = catalog.get(name)
        if hasattr(dataset, "preview") and dataset.metadata["kedro-viz"].get("preview", True):
            previewed.add(name)
            assert isinstance(dataset, SyntheticDataset) or AGGREGATES.search(name), name
    assert "scoreboard" in previewed
    assert "ehr_figure_forest" in previewed


def test_only_what_the_generator_writes_is_taken_for_made(everything, catalog):
    made = pipelines["synthetic_hospital"].all_outputs()
    assert {name for name in _datasets(everything) if isinstance(catalog.get(name), SyntheticDataset)} == made


@pytest.mark.parametrize("stage", STAGES)
def test_every_pipeline_has_a_page_that_names_its_inputs_and_outputs(stage):
    configure_project("med_maml_pipeline")
    page = (REPO / "src/med_maml_pipeline/pipelines" / stage / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^kedro run --pipelines {stage}\b", page, re.MULTILINE)
    for name in {*_datasets(pipelines[stage]), *pipelines[stage].inputs()}:
        assert any(f"`{written}`" in page for written in _ways_to_write(name)), name


def _ways_to_write(name: str) -> set[str]:
    """``ehr_maml_costs`` as the pages write it: ``<m>_<l>_costs``, or ``_costs`` after another one."""
    modality, lane = f"({'|'.join(MODALITIES)})", f"({'|'.join(JUDGED_NAMESPACES)})"
    general = re.sub(rf"^{modality}_({lane}_)?", lambda found: "<m>_<l>_" if found[2] else "<m>_", name)
    general = re.sub(rf"_figure_({'|'.join(FIGURES)})$", "_figure_<name>", general)
    general = re.sub(rf"^synthetic_{modality}$", "synthetic_<m>", general)
    return {name, general, general.removeprefix("<m>_<l>"), name.removeprefix("params:")}
