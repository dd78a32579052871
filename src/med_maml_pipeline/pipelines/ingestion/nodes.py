"""Thin nodes: sources in, examples and the cohort account out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from med_maml_pipeline.datasets.multi_source import SourceSet
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.identifiers import load_key, pseudonyms
from med_maml_pipeline.sources.ingest import Ingestion

__all__ = ["account_for_cohort", "ingest"]


def ingest(sources: SourceSet, synthetic: Snapshot, identifier_key_file: str) -> Ingestion:
    """Reads, checks and standardises every active source, part by part; identifiers become keyed hashes."""
    roots = {
        name: synthetic.root if spec.dataset == "synthetic" else sources.root
        for name, spec in sources.specs.items()
    }
    key = load_key(Path(identifier_key_file))
    return Ingestion(sources.specs, roots, lambda ids, namespace: pseudonyms(ids, key, namespace))


def account_for_cohort(examples: Snapshot) -> pd.DataFrame:
    """How many rows each step of ingestion kept and lost."""
    columns = ["source", "table", "step", "kept", "lost"]
    return pd.DataFrame(examples.read("attrition.json"), columns=columns)
