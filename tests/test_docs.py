"""What the documentation promises: links lead somewhere, examples are valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import TypeAdapter

from med_maml_pipeline.config import Parameters, parse_parameters
from med_maml_pipeline.learners.adkf import AdkfTraining
from med_maml_pipeline.learners.anp import AttentiveTraining
from med_maml_pipeline.learners.imaml import ImplicitTraining
from med_maml_pipeline.learners.in_context_episodes import InContextTraining
from med_maml_pipeline.learners.maml_pp import MamlPpTraining
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.metric_settings import MetricTraining
from med_maml_pipeline.learners.pretraining import Pretraining
from med_maml_pipeline.learners.prior import PriorTraining
from med_maml_pipeline.learners.protomaml import ProtoMamlTraining
from med_maml_pipeline.learners.registry import LEARNERS, get_learner
from med_maml_pipeline.learners.relation import RelationTraining
from med_maml_pipeline.learners.snail import SnailTraining
from med_maml_pipeline.sources.spec import SourceSpec

REPO = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *REPO.glob("*.md"),
        *REPO.glob("docs/*.md"),
        *REPO.glob("*/README.md"),
        *REPO.glob("src/*/*/*/README.md"),
    ]
)
FORMATS = get_args(get_args(SourceSpec)[0])
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _blocks(page: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in BLOCK.findall((REPO / page).read_text(encoding="utf-8"))]


def _sources(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, entry in document.items():
        if "format" in entry:
            yield name, entry
        else:
            yield from entry.get("sources", {}).items()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize(
    "page", ["README.md", "docs/sources.md", "docs/molecules.md", "docs/imaging.md", "docs/expression.md"]
)
def test_examples_of_sources_are_valid(page):
    entries = [entry for document in _blocks(page) for entry in _sources(document)]
    assert entries
    for name, entry in entries:
        assert TypeAdapter(SourceSpec).validate_python(entry).tasks, name


def test_the_readme_shows_every_format():
    shown = {entry["format"] for document in _blocks("README.md") for _, entry in _sources(document)}
    assert shown == {get_args(kind.model_fields["format"].annotation)[0] for kind in FORMATS}


def test_examples_of_parameters_are_valid():
    for document in _blocks("docs/parameters.md"):
        parse_parameters(document)


def test_every_parameter_is_explained():
    text = (REPO / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert not [name for name in Parameters.model_fields if f"`{name}`" not in text]


@pytest.mark.parametrize(
    "training",
    [
        AdkfTraining,
        AttentiveTraining,
        InContextTraining,
        MamlPpTraining,
        ProtoMamlTraining,
        ImplicitTraining,
        MamlTraining,
        MetricTraining,
        Pretraining,
        PriorTraining,
        RelationTraining,
        SnailTraining,
    ],
)
def test_every_setting_of_meta_training_is_explained(training):
    text = (REPO / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert not [field.name for field in fields(training) if f"`{field.name}`" not in text]


@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_chosen_for_pictures_is_explained(name):
    text = (REPO / "docs" / "learners.md").read_text(encoding="utf-8")
    learner = get_learner(name)
    assert f"`{name}`" in text
    for grid in (getattr(learner, "picture_meta_grid", ()), getattr(learner, "picture_grid", ())):
        keys = {key for settings in grid for key in settings}
        varied = {key for key in keys if len({settings.get(key) for settings in grid}) > 1}
        assert not [key for key in varied if f"`{key}`" not in text]


@pytest.mark.parametrize("room", ["", "learners"])
def test_the_architecture_names_every_file(room):
    text = (REPO / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = [path.name for path in (REPO / "src" / "med_maml_pipeline" / room).glob("*.py")]
    named = [name for name in names if f"`{name}`" in text or f"`{name.removesuffix('.py')}`" in text]
    assert sorted({*names} - {*named}) == ["__init__.py"]


@pytest.mark.parametrize("name", ["embedded", "public"])
@pytest.mark.parametrize(
    ("page", "kind"),
    [("README.md", "answers"), ("docs/results.md", "learners"), ("docs/results.md", "results")],
)
def test_pages_have_the_marks_of_their_tables(page, kind, name):
    text = (REPO / page).read_text(encoding="utf-8")
    assert re.search(rf"<!-- {kind}:{name} -->\n.*?<!-- /{kind}:{name} -->", text, re.DOTALL)
