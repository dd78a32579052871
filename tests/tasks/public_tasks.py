"""The public sources as configured, from raw files to tasks; only what tasks do not see is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.sources.ingest import Ingestion
from med_maml_pipeline.sources.spec import SourceSpec
from med_maml_pipeline.tasks.build import TaskCatalog, build_tasks
from med_maml_pipeline.tasks.types import Examples

CONFIGURATION = Path(__file__).resolve().parents[2] / "conf" / "public" / "catalog_01_raw.yml"
SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)


class Made(dict[str, Any]):
    """What ingestion made, in memory, with the access that a snapshot gives."""

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self if name.startswith(prefix)]

    def read(self, name: str) -> Any:
        return self[name]


def configured(modality: str, **options: Any) -> dict[str, Any]:
    """Sources of the environment `public`; ``options`` replace options of the pictures."""
    entries = yaml.safe_load(CONFIGURATION.read_text())[f"{modality}_sources"]
    found = {}
    for name in entries["active_sources"]:
        entry = entries["sources"][name]
        if options:
            entry = {**entry, "options": {**entry.get("options", {}), **options}}
        found[name] = SPEC.validate_python(entry)
    return found


def tasks_of(specs: Mapping[str, Any], root: Path) -> tuple[dict[str, Examples], TaskCatalog]:
    """Examples and tasks as the pipeline makes them."""

    def unnamed(ids: np.ndarray, _: str) -> np.ndarray:
        return np.full(len(ids), "")

    made = Made(Ingestion(specs, dict.fromkeys(specs, root), unnamed))
    examples = load_examples(made)
    return examples, build_tasks(examples, {name: spec.tasks for name, spec in specs.items()}, 0)
