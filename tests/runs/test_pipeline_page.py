"""The pipeline's page: built by Kedro-Viz, served to this machine alone, and silent towards all others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project
from project_copy import Project

from med_maml_pipeline.cli import cli
from med_maml_pipeline.errors import ConfigurationError, MedMamlError
from med_maml_pipeline.pipeline_page import build_page, page_server


@pytest.fixture
def page(project: Project) -> Path:
    stale = project.path / "build" / "api" / "nodes" / "of_another_environment"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    folder = build_page(project.path)
    assert not stale.exists()
    return folder


def test_the_page_holds_the_pipeline_and_asks_nobody_else(page: Path, project: Project) -> None:
    index = (page / "index.html").read_text()
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", index)
    rules = re.search(r'Content-Security-Policy" content="([^"]+)"', index)
    assert rules
    assert rules[1].startswith("default-src 'self' ")
    assert not {"*", "http:", "https:"} & set(rules[1].split())
    assert index.index("Content-Security-Policy") < index.index("<script")
    names = {node["name"] for node in json.loads((page / "api" / "main").read_text())["nodes"]}
    assert names & set(project_nodes(project))
    assert "canary_home" not in "".join(
        file.read_text(errors="replace") for file in (page / "api").rglob("*") if file.is_file()
    )


def project_nodes(project: Project) -> list[str]:
    from kedro.framework.project import pipelines

    return [node.name for node in pipelines["__default__"].nodes]


def test_the_page_is_served_to_this_machine_alone(page: Path) -> None:
    with page_server(page, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.server_address[1]
        with urlopen(f"http://127.0.0.1:{port}/api/main") as answer:
            assert json.load(answer)["nodes"]
        with urlopen(f"http://127.0.0.1:{port}/workflow?pid=x") as answer:
            assert answer.read() == (page / "index.html").read_bytes()
        with pytest.raises(ConfigurationError, match=f"port {port} is taken"):
            page_server(page, port)
        server.shutdown()
        thread.join()


def test_an_environment_that_is_not_there_is_told(project: Project) -> None:
    with pytest.raises(MedMamlError, match=r"Kedro-Viz could not build the page: .*absent"):
        build_page(project.path, "absent")
    outcome = CliRunner().invoke(
        cli, ["look", "--no-browser", "--env", "absent"], obj=bootstrap_project(project.path)
    )
    assert outcome.exit_code == 1
    assert "Kedro-Viz could not build the page" in outcome.output
