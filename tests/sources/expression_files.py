"""Small expression files, made as a user's tools would make them, and ways to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import Reading
from med_maml_pipeline.sources.spec import SourceSpec

SECRET = "CANARY"
SPEC: TypeAdapter[Any] = TypeAdapter(SourceSpec)
TASKS = [{"family": "study", "kind": "table", "shared_inputs": False, "min_examples": 2}]


class Store:
    """A snapshot in memory."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self.files if name.startswith(prefix)]

    def read(self, name: str) -> Any:
        return self.files[name]


def matrix_entry(file: str = "t.csv", **matrix: Any) -> dict[str, Any]:
    """A source of one matrix; ``matrix`` may hold columns, scale, missing."""
    columns = {"target": "label", **matrix.pop("columns", {})}
    return {
        "format": "expression",
        "path": ".",
        "tasks": TASKS,
        "sets": {"study": {"file": file, "columns": columns, **matrix}},
    }


def read_matrix(root: Path, text: str, file: str = "t.csv", **matrix: Any) -> Reading:
    (root / file).write_text(text)
    return open_source("clinic", SPEC.validate_python(matrix_entry(file, **matrix)), root)


def h5ad_entry(file: str = "t.h5ad", **fields: Any) -> dict[str, Any]:
    columns = {"target": "label", **fields.pop("columns", {})}
    return {"format": "h5ad", "path": file, "tasks": TASKS, "columns": columns, **fields}


def read_file(root: Path, **fields: Any) -> Reading:
    return open_source("clinic", SPEC.validate_python(h5ad_entry(**fields)), root)


def counts(n: int = 12, g: int = 5) -> np.ndarray:
    """``[n, g]`` float32 counts, many of them zero, no sample empty, no two alike."""
    x = np.random.default_rng(3).poisson(1.5, size=(n, g)).astype(np.float32)
    x[:, 0] = np.arange(1, n + 1)
    return x


def obs(n: int = 12, **columns: Any) -> pd.DataFrame:
    """Annotations of ``n`` samples with a label."""
    frame = pd.DataFrame({"label": np.array(["tumour", "normal"])[np.arange(n) % 2], **columns})
    frame.index = pd.Index([f"sample-{number}" for number in range(n)])
    return frame
