"""The results tables of the README, from the artifacts of the latest run that was scored.

Usage, from the project's folder: python benchmarks/results_tables.py [--env public] [--write README.md]

Prints a Markdown table: per source, family and support size the learner of ours and the classical one that
validation tasks chose, the zero-shot prior, and the paired differences with 95 % intervals. With ``--write``
it replaces what stands between ``<!-- results:NAME -->`` and ``<!-- /results:NAME -->``; NAME is
``embedded``, or the name of the environment.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from med_maml_pipeline.learners.registry import LANES
from med_maml_pipeline.metrics.best import best_of_ours
from med_maml_pipeline.metrics.primary import is_primary
from med_maml_pipeline.modalities import MODALITIES
from med_maml_pipeline.reports.wording import (
    estimate,
    family_label,
    learner_label,
    metric_label,
    support_label,
)

TRACKING = Path("data/09_tracking")
HEADS = ("Source", "Family", "Support", "Metric", "Best of ours", "Best classical", "Prior")
DIFFERENCES = ("Ours − classical", "Ours − prior")
BLANK = "–"


def latest_record(folder: Path, environment: str | None) -> Mapping[str, Any]:
    """Record of the latest run in an environment that wrote the scoreboard of all modalities."""
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


def best_rows(catalog: DataCatalog) -> pd.DataFrame:
    """`best_of_ours` of every modality, primary metrics only."""
    boards = []
    for modality in MODALITIES:
        lanes = [catalog.load(f"{modality}_{lane}_selection") for lane in LANES]
        selection = pd.concat([lane for lane in lanes if len(lane)], ignore_index=True)
        board = catalog.load(f"{modality}_scoreboard")
        boards.append(best_of_ours(board[is_primary(board)], selection, catalog.load(f"{modality}_tasks")))
    return pd.concat([board for board in boards if len(board)], ignore_index=True)


def markdown(rows: pd.DataFrame) -> str:
    """The table. A difference whose interval leaves out zero is set in bold."""
    heads = (*HEADS, *DIFFERENCES)
    lines = [_line(heads), _line(["---"] * len(heads))]
    lines.extend(_line(list(_cells(row))) for row in rows.to_dict("records"))
    return "\n".join(lines)


def fill(text: str, name: str, table: str) -> str:
    """The text with the table between the marks of that name."""
    pattern = re.compile(rf"(<!-- results:{name} -->\n).*?(<!-- /results:{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the file has no marks <!-- results:{name} --> and <!-- /results:{name} -->")
    return pattern.sub(lambda marks: f"{marks[1]}{table}\n{marks[2]}", text)


def _cells(row: Mapping[Any, Any]) -> Iterator[str]:
    ways = None if pd.isna(row["n_way"]) else int(row["n_way"])
    yield row["source"]
    yield family_label(row["task_family"], row["protocol"])
    yield support_label(row["support_size"], pd.notna(row["n_shot"]), ways)
    yield metric_label(row["metric"])
    yield _side(row["ours"], row["value"], row["ci_low"], row["ci_high"])
    yield _side(row["classical"], *(row[f"classical_{name}"] for name in ("value", "ci_low", "ci_high")))
    yield _estimate(*(row[f"prior_{name}"] for name in ("value", "ci_low", "ci_high")))
    yield _difference(row["diff_to_classical"], row["diff_low"], row["diff_high"])
    yield _difference(row["diff_to_prior"], row["diff_to_prior_low"], row["diff_to_prior_high"])


def _side(learners: object, value: float, low: float, high: float) -> str:
    if not isinstance(learners, str):
        return BLANK
    names = ", ".join(learner_label(name) for name in learners.split(", "))
    return f"{names}<br>{_estimate(value, low, high)}"


def _estimate(value: float, low: float, high: float) -> str:
    return _unbroken(estimate(value, low, high)) if math.isfinite(value) else BLANK


def _difference(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return BLANK
    text = _unbroken(estimate(value, low, high, difference=True))
    return f"**{text}**" if low > 0 or high < 0 else text


def _unbroken(text: str) -> str:
    """The text with spaces that no line ends at."""
    return text.replace(" ", "\u00a0")


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the table, or writes it between its marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--env", default=None, help="environment of the run; default: the embedded hospital")
    parser.add_argument("--write", type=Path, default=None, help="file with the marks to write between")
    arguments = parser.parse_args()
    record = latest_record(TRACKING, arguments.env)
    table = markdown(best_rows(artifacts(record, arguments.env)))
    if arguments.write is None:
        print(table)
        return
    text = arguments.write.read_text(encoding="utf-8")
    filled = fill(text, arguments.env or "embedded", table)
    arguments.write.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
