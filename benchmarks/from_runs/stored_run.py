"""Artifacts of the latest run, read through the catalog in the versions that the run recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from med_maml_pipeline.learners.registry import LANES

__all__ = ["TRACKING", "artifacts", "latest_record", "of_lanes"]

TRACKING = Path("data/09_tracking")


def latest_record(folder: Path, environment: str | None) -> Mapping[str, Any]:
    """Record of the latest run in an environment that wrote the scoreboard of all modalities.

    Raises:
        SystemExit: there is none.
    """
    for path in sorted(folder.glob("*.json"), reverse=True):
        record: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["environment"] == environment and "scoreboard" in record["saved"]:
            return record
    raise SystemExit(f"no run in environment '{environment or 'base'}' has written a scoreboard yet")


def artifacts(record: Mapping[str, Any], environment: str | None) -> DataCatalog:
    """Catalog whose versions are those that the run wrote, or read where it did not write them."""
    bootstrap_project(Path.cwd())
    with KedroSession.create(env=environment) as session:
        config = session.load_context().config_loader["catalog"]
    versions = {**record["loaded"], **record["saved"]}
    return DataCatalog.from_config(
        config, load_versions={name: version for name, version in versions.items() if version}
    )


def of_lanes(
    catalog: DataCatalog, modality: str, name: str, lanes: Sequence[str] = tuple(LANES)
) -> pd.DataFrame:
    """One kind of table of all lanes of a modality, one below the other; without columns if all are empty."""
    tables = [catalog.load(f"{modality}_{lane}_{name}") for lane in lanes]
    tables = [table for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
