"""The records of earlier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.runs.record import RunRecord

__all__ = ["History", "UnknownRunError", "newest_of"]


class UnknownRunError(ConfigurationError):
    """There is no record of a run."""


class History:
    """Reads what runs left.

    Args:
        folder: Where the records lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, RunRecord | None] = {}

    def ids(self) -> list[str]:
        """Ids of all recorded runs, newest first."""
        return sorted((file.stem for file in self.folder.glob("[0-9]*Z.json")), reverse=True)

    def find(self, run_id: str) -> RunRecord | None:
        """The record of a run; None where there is none that can be read."""
        if run_id not in self._read:
            try:
                self._read[run_id] = RunRecord.read(self.folder / f"{run_id}.json")
            except (OSError, ValueError):
                self._read[run_id] = None
        return self._read[run_id]

    def run(self, run_id: str) -> RunRecord:
        """The record of a run, or of the newest one where ``run_id`` is ``latest``.

        Raises:
            UnknownRunError: there is none; names the newest few.
        """
        ids = self.ids()
        record = (
            self.find(ids[0] if run_id == "latest" and ids else run_id)
            if run_id in {*ids, "latest"}
            else None
        )
        if record is None:
            raise UnknownRunError(f"there is no record of a run '{run_id}'; {newest_of('runs', ids)}")
        return record

    def maker(self, dataset: str, version: str) -> RunRecord | None:
        """The record of the run that made a version: a run's id is the version of all it saves."""
        record = self.find(version)
        return record if record is not None and record.maker(dataset) else None

    def command(self, run_id: str) -> dict[str, Any] | None:
        """What ``<run_id>.rerun.yml`` tells ``kedro run --config``; None where there is none."""
        try:
            document = yaml.safe_load((self.folder / f"{run_id}.rerun.yml").read_text(encoding="utf-8"))
            return dict(document["run"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            return None


def newest_of(what: str, names: list[str], shown: int = 3) -> str:
    """``the newest runs: …``, from a list whose newest comes first."""
    return f"the newest {what}: {', '.join(names[:shown])}" if names else f"there are no {what} yet"
