"""A copy of the project without its code (the package is installed), and what Kedro does in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a command ended; ``output`` is everything that a user sees."""

    code: int
    output: str


@dataclass(frozen=True)
class SpineProject:
    """A project folder of its own; ``env`` is the environment that runs use."""

    path: Path
    env: str = "test"

    @classmethod
    def fresh(cls, path: Path, env: str = "test") -> SpineProject:
        """Configuration as committed, no data."""
        ignored = shutil.ignore_patterns("identifier.key", "local")
        shutil.copytree(REPO / "conf", path / "conf", ignore=ignored)
        shutil.copy(REPO / "pyproject.toml", path)
        for folder in ("src", "data", "conf/local"):
            (path / folder).mkdir()
        return cls(path, env)

    def copied(self, path: Path) -> SpineProject:
        """The same with all its data, to change at will."""
        shutil.copytree(self.path, path)
        return SpineProject(path, self.env)

    def run(self, *arguments: str) -> Outcome:
        """``kedro run`` in this project's environment."""
        return self.kedro("run", "--env", self.env, *arguments)

    def kedro(self, *arguments: str) -> Outcome:
        """Any Kedro command, as a user gives it."""
        process = self.start(*arguments)
        output = process.communicate(timeout=300)[0]
        assert self.network_attempts() == []
        return Outcome(process.returncode, output)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, not waited for, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=self.path,
            env={
                **os.environ,
                "COLUMNS": "400",
                "KEDRO_ENV": self.env,
                "NETWORK_LOG": str(self.path / "network.log"),
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def network_attempts(self) -> list[str]:
        """DNS look-ups and connections that any command tried here; the guard refused them."""
        log = self.path / "network.log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def tracking(self) -> Path:
        return self.path / "data" / "09_tracking"

    def records(self) -> list[dict[str, Any]]:
        """Provenance of all runs, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.tracking.glob("*.json"))]

    def versions(self, dataset: str) -> list[Path]:
        """What each version of a dataset holds (a file or a folder), oldest first."""
        found = [
            path
            for path in self.path.glob(f"data/*/{self.env}/*/*/*")
            if path.name.split(".")[0] == dataset and not path.parent.name.startswith(".")
        ]
        return sorted(found, key=lambda path: path.parent.name)

    def table(self, dataset: str) -> pd.DataFrame:
        """The latest version of a tabular dataset."""
        path = self.versions(dataset)[-1]
        read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
        return read(path)

    def fingerprint(self, dataset: str, version: int = -1) -> str:
        """Checksum over the files of a snapshot."""
        manifest = json.loads((self.versions(dataset)[version] / "manifest.json").read_text())
        return str(manifest["fingerprint"])

    def half_written(self) -> list[Path]:
        """Versions that were begun and not finished."""
        return list(self.path.glob("data/**/.*partial*"))


def made_once(
    folder: Path, name: str, make: Callable[[Path], tuple[SpineProject, Outcome]]
) -> tuple[SpineProject, Outcome]:
    """What ``make`` makes in ``folder/name``, once for all test processes that share the folder."""
    done = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            project, outcome = make(folder / name)
            done.write_text(json.dumps({"env": project.env, "outcome": asdict(outcome)}))
    document = json.loads(done.read_text())
    return SpineProject(folder / name, document["env"]), Outcome(**document["outcome"])
