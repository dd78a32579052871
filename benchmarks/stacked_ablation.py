"""What each kind of member is worth to the stacked answer: refitted without it, judged on the same episodes.

Usage, from the project's folder:
    python benchmarks/stacked_ablation.py [--env public] [--write docs/ensembles.md]

Reads the predictions of the latest run on validation and test episodes; nothing is meta-trained or adapted.
Leaves a JSON file, and a Markdown table that goes between ``<!-- bench:stacked_ablation -->`` and
``<!-- /bench:stacked_ablation -->`` of the file: the full stack, and how far each variant is from it, paired
on the same episodes with 95 % intervals over tasks and supports.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from common.output import write_between_markers
from from_runs.ablation import FULL, VARIANTS, compared, refitted
from from_runs.cells import BLANK, difference, markdown, value
from from_runs.stored_run import TRACKING, artifacts, latest_record, of_lanes
from kedro.io import DataCatalog

from med_maml_pipeline.modalities import MODALITIES
from med_maml_pipeline.reports.wording import family_label, metric_label, support_label
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.tasks.problems import load_problems

RESULTS = Path(__file__).resolve().parent / "results" / "stacked_ablation.json"


def cells(catalog: DataCatalog, modality: str, seed: int) -> list[dict[str, Any]]:
    """`compared` of one modality, from the stored artifacts."""
    test = of_lanes(catalog, modality, "predictions")
    validation = of_lanes(catalog, modality, "validation_predictions")
    if test.empty or validation.empty:
        return []
    tasks, pools, episodes = (catalog.load(f"{modality}_{name}") for name in ("tasks", "pools", "episodes"))
    made = []
    for problem in load_problems(load_examples(catalog.load(f"{modality}_examples")), tasks, pools, episodes):
        own = [_of(table, problem.name, problem.fold) for table in (validation, test)]
        if len(own[1]):
            made.append(refitted(problem, *own))
            print(f"{modality}: {problem.name}, fold {problem.fold}", flush=True)
    return compared(pd.concat(made, ignore_index=True), tasks, episodes, seed=seed) if made else []


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The Markdown table: a row per family and support size, a column per variant."""
    variants = [variant for variant in VARIANTS if variant != FULL]
    heads = ("Source, family", "Support", "Metric", "Full", *(variant.capitalize() for variant in variants))
    return markdown(heads, (list(_line(row, variants)) for row in rows))


def _of(predictions: pd.DataFrame, problem: str, fold: int) -> pd.DataFrame:
    return predictions[(predictions["problem"] == problem) & (predictions["fold"] == fold)]


def _line(row: Mapping[str, Any], variants: Sequence[str]) -> Iterator[str]:
    yield f"{row['source']}<br>{family_label(row['family'], row['protocol'])}"
    yield support_label(row["support_size"], row["n_shot"] is not None, row["n_way"])
    yield metric_label(row["metric"])
    yield value(row["value"], row["low"], row["high"])
    for variant in variants:
        found = row["differences"][variant]
        if found is None:
            yield BLANK
        else:
            mean, low, high, _ = found
            yield difference(mean, low, high, bold=low > 0 or high < 0)


def finite(content: Any) -> Any:
    """The content with None for what is not a finite number: JSON has no NaN."""
    if isinstance(content, Mapping):
        return {name: finite(one) for name, one in content.items()}
    if isinstance(content, list | tuple):
        return [finite(one) for one in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def main() -> None:
    """Refits, writes the JSON file, prints the table or writes it between its marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--env", default=None, help="environment of the run; default: the embedded hospital")
    parser.add_argument("--write", type=Path, default=None, help="file with the marks to write between")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON file")
    arguments = parser.parse_args()
    record = latest_record(TRACKING, arguments.env)
    catalog = artifacts(record, arguments.env)
    rows = [row for modality in MODALITIES for row in cells(catalog, modality, arguments.seed)]
    content = {"environment": arguments.env or "base", "run_id": record["run_id"], "cells": rows}
    arguments.results.write_text(json.dumps(finite(content), indent=1) + "\n", encoding="utf-8")
    told = table(rows)
    print(told)
    if arguments.write is not None:
        write_between_markers(arguments.write, "stacked_ablation", told)


if __name__ == "__main__":
    main()
