"""Kills runs at random moments, and counts what that loses: nothing.

Usage: python benchmarks/kills.py [--kills 50] [--seed 0] [--folder DIR]

A copy of the project runs ingestion and task construction of the synthetic molecules. The first run is left
alone and says what every dataset must hold. Each further one is killed (SIGKILL, with its children) at a
moment drawn uniformly between its first record and its expected end; then every version on disk that a reader
can see is read in full and compared. At last the killed run is gone on with, and leftovers are pruned.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from kedro.framework.startup import bootstrap_project
from kedro.io import Version

from med_maml_pipeline.datasets import Snapshot
from med_maml_pipeline.datasets.atomic import AtomicDataset
from med_maml_pipeline.runs.opened import OpenProject, open_project
from med_maml_pipeline.runs.retention import Removable, leftovers

REPO = Path(__file__).resolve().parents[1]
SLICE = (
    *("--env", "test", "--namespaces", "molecules"),
    *("--pipelines", "synthetic_hospital,ingestion,task_construction"),
)


@dataclass
class Counts:
    """What the kills did.

    Attributes:
        kills: Runs that were killed.
        in_a_save: Kills that left something half-written under a hidden name.
        checked: Finished artifacts read in full, over all checks.
        visible: Half-written or wrong versions that a reader could see.
        lost: Finished artifacts that were gone or no longer read the same.
        finished_nodes: Nodes that killed runs had finished.
    """

    kills: int = 0
    in_a_save: int = 0
    checked: int = 0
    visible: int = 0
    lost: int = 0
    finished_nodes: int = 0


@dataclass
class Trial:
    """A project folder whose runs are killed.

    Attributes:
        path: The folder.
        env: Environment of its runs.
        arguments: Further arguments of ``kedro run``.
    """

    path: Path
    env: str | None
    arguments: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    expected: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    seconds: float = 0.0

    def reference(self) -> None:
        """A run that is left alone: how long its nodes take, and what every dataset must hold."""
        process, began = self._started()
        assert process.wait() == 0, "the run that was left alone failed"
        self.seconds = time.monotonic() - began
        project = self._project()
        for name in self._datasets(project):
            if versions := project.versions(name):
                self.expected[name] = _content(project, name, versions[0])
        self.check()

    def kill(self, moment: float) -> bool:
        """Starts a run and kills it at a share of its time; False when it had ended before."""
        half_written = self.half_written()
        process, began = self._started()
        time.sleep(max(0.0, began + moment * self.seconds - time.monotonic()))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        record = self._project().history.run("latest")
        if record.status != "running":
            return False
        self.counts.kills += 1
        self.counts.in_a_save += self.half_written() > half_written
        self.counts.finished_nodes += len(record.seconds)
        return True

    def check(self) -> None:
        """Reads every visible version and looks for every one that was there before or is recorded."""
        project = self._project()
        found = set()
        for name, folder in self._datasets(project).items():
            visible = {path.name for path in folder.glob("[!.]*")} if folder.is_dir() else set()
            for version in visible:
                whole = version in project.versions(name)
                if whole and _content(project, name, version) == self.expected[name]:
                    found.add((name, version))
                else:
                    self.counts.visible += 1
        self.counts.checked += len(found)
        recorded = {pair for one in project.history.ids() for pair in project.history.run(one).saved.items()}
        self.counts.lost += len((self.seen | recorded) - found)
        self.seen |= found

    def half_written(self) -> int:
        """Number of hidden half-written folders and files."""
        return sum(".partial-" in one.path.name for one in self.leftovers())

    def leftovers(self) -> list[Removable]:
        """What pruning may remove beside old versions."""
        return leftovers(self.path / "data", self.path / "data" / "09_tracking")

    def go_on(self) -> int:
        """Goes on with the latest run; the exit code."""
        return subprocess.run([*_KEDRO, "rerun", "--resume", "latest"], **self._where()).returncode

    def _started(self) -> tuple[subprocess.Popen[bytes], float]:
        """A run, and when its record appeared."""
        tracking = self.path / "data" / "09_tracking"
        before = set(tracking.glob("*.json"))
        process = subprocess.Popen([*_KEDRO, "run", *self.arguments], start_new_session=True, **self._where())
        while set(tracking.glob("*.json")) <= before and process.poll() is None:
            time.sleep(0.002)
        return process, time.monotonic()

    def _where(self) -> dict[str, object]:
        return {"cwd": self.path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def _project(self) -> OpenProject:
        return open_project(self.path, self.env)

    def _datasets(self, project: OpenProject) -> dict[str, Path]:
        """Folder of each dataset that is stored."""
        made = sorted(project.everything().all_outputs())
        found = {name: project.catalog.get(name) for name in made}
        return {name: one.folder for name, one in found.items() if isinstance(one, AtomicDataset)}


_KEDRO = (sys.executable, "-m", "kedro")


def run_trial(trial: Trial, kills: int, seed: int) -> None:
    """Kills that many runs, checks after each, and goes on with the last one."""
    moments = random.Random(seed)
    trial.reference()
    while trial.counts.kills < kills:
        trial.kill(moments.random())
        trial.check()


def fresh_project(folder: Path) -> Path:
    """A copy of the configuration, without data; the package is the installed one."""
    shutil.copytree(REPO / "conf", folder / "conf", ignore=shutil.ignore_patterns("identifier.key", "local"))
    shutil.copy(REPO / "pyproject.toml", folder)
    for name in ("src", "data", "conf/local"):
        (folder / name).mkdir()
    return folder


def _content(project: OpenProject, name: str, version: str) -> str:
    """SHA-256 of a version that was read in full and found sound; empty where it cannot be read."""
    dataset = project.catalog.get(name, version=Version(version, None))
    try:
        content = dataset.load()
        if isinstance(content, Snapshot):
            for file in content.names():
                content.path(file)
        return str(dataset.fingerprint())
    except Exception:
        return ""


def _report(trial: Trial, code: int) -> None:
    counts = trial.counts
    print(f"kills                                        {counts.kills}")
    print(f"  in the middle of writing                   {counts.in_a_save}")
    print(f"  nodes finished before them, in all         {counts.finished_nodes}")
    print(f"finished artifacts read in full and compared {counts.checked}")
    print(f"half-written or wrong versions visible       {counts.visible}")
    print(f"finished artifacts lost                      {counts.lost}")
    print(f"kedro rerun --resume latest                  {'completes' if code == 0 else 'FAILS'}")


def main() -> None:
    """Parses the arguments, kills, and prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="work here, in place of a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = fresh_project((arguments.folder or Path(temporary)) / "project")
        bootstrap_project(path)
        trial = Trial(path, "test", SLICE)
        run_trial(trial, arguments.kills, arguments.seed)
        code = trial.go_on()
        trial.check()
        _report(trial, code)
    failed = trial.counts.visible or trial.counts.lost or code
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
