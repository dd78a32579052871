"""A copy of the small Kedro project, and what its runs leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import settings


@dataclass
class Project:
    """A copy of the small project; it has its raw data and no runs yet."""

    path: Path

    @property
    def tracking(self) -> Path:
        return self.path / "data" / "09_tracking"

    def run(self, params: dict[str, Any] | None = None, env: str | None = None, **selection: Any) -> None:
        """Runs in this process, through the session class that the project's settings name."""
        with settings.SESSION_CLASS.create(
            self.path, env=env, runtime_params=params, save_on_close=False
        ) as session:
            session.run(**selection)

    def kedro_run(self, *arguments: str) -> Result:
        """``kedro run`` with command-line arguments, in this process."""
        return CliRunner().invoke(kedro_run, arguments)

    def start_kedro_run(self, *arguments: str) -> subprocess.Popen[str]:
        """``kedro run`` in a process of its own, as a user starts it."""
        command = [sys.executable, "-m", "kedro", "run", *arguments]
        return subprocess.Popen(
            command, cwd=self.path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def records(self) -> list[dict[str, Any]]:
        """Records of all runs, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.tracking.glob("*.json"))]

    def command(self, run_id: str, kind: str) -> dict[str, Any]:
        """What ``<run_id>.<kind>.yml`` tells ``kedro run --config``."""
        document: dict[str, Any] = yaml.safe_load((self.tracking / f"{run_id}.{kind}.yml").read_text())
        return document["run"]

    def versions(self, folder: str) -> list[str]:
        """Versions of a dataset, oldest first."""
        return sorted(path.name for path in (self.path / "data" / folder).iterdir())
