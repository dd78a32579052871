"""data → train → score: a modality and a lane in small."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.datasets import Snapshot, SourceSet
from med_maml_pipeline.errors import DataError


def read(sources: SourceSet) -> pd.DataFrame:
    """All rows of the active sources."""
    return pd.concat([pd.read_csv(sources.root / spec.path) for spec in sources.specs.values()])


def split(rows: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """One part per row."""
    return ((f"part-{number}.csv", rows.iloc[[number]]) for number in range(len(rows)))


def train(parts: Snapshot, training: Mapping[str, Any]) -> dict[str, Any]:
    """Trains, or goes wrong in the way that is asked for."""
    match training["mode"]:
        case "fail":
            raise DataError("canary-free sentence", source="tiny")
        case "interrupt":
            raise KeyboardInterrupt
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        case "wait":
            Path(training["flag"]).touch()
            time.sleep(30)
    return {"mean": sum(parts.read(name)["num"].item() for name in parts.names()), "steps": training["steps"]}


def score(model: Mapping[str, Any]) -> pd.DataFrame:
    """One row."""
    return pd.DataFrame([model])


def register_pipelines() -> dict[str, Pipeline]:
    """Three stages and their sum."""
    stages = {
        "data": Pipeline(
            [
                Node(read, "tiny_sources", "rows", name="read"),
                Node(split, "rows", "parts", name="split", namespace="tiny"),
            ]
        ),
        "train": Pipeline(
            [
                Node(
                    train,
                    {"parts": "parts", "training": "params:training"},
                    "model",
                    name="train",
                    namespace="tiny.maml",
                )
            ]
        ),
        "score": Pipeline([Node(score, "model", "score", name="score")]),
    }
    return stages | {"__default__": sum(stages.values(), Pipeline([]))}
