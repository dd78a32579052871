"""The tables of results in README and pages, from the artifacts of the latest run that was scored.

Usage, from the project's folder: python benchmarks/results_tables.py [--env public] [--write README.md …]

Prints three kinds of Markdown tables, or puts them between their marks in the files that have these
(``<!-- KIND:NAME -->`` and ``<!-- /KIND:NAME -->``; NAME is ``embedded``, or the name of the environment):

- ``answers``: per family and support size what `stacked` reaches, beside `selected`, the best classical
  learner and the prior, with paired differences, 95 % intervals and p-values adjusted by Holm;
- ``results``: the learner of ours and the classical one that validation tasks chose, the prior, and the
  paired differences;
- ``learners``: per kind of data every learner in every family at the support size nearest to 10 per class,
  with seconds of meta-training (over problems and folds), seconds per adaptation, and peak memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from from_runs.answers_table import answers_table
from from_runs.best_table import best_table
from from_runs.cells import fill
from from_runs.learners_table import learners_table
from from_runs.stored_run import TRACKING, artifacts, latest_record, of_lanes
from kedro.io import DataCatalog

from med_maml_pipeline.metrics.answer_sides import answer_sides
from med_maml_pipeline.metrics.best import best_of_ours
from med_maml_pipeline.metrics.primary import is_primary
from med_maml_pipeline.metrics.schema import validate_scoreboard
from med_maml_pipeline.pipelines.modalities import JUDGED_NAMESPACES, MODALITIES
from med_maml_pipeline.reports.wording import modality_label


def tables(catalog: DataCatalog) -> dict[str, str]:
    """The tables by kind."""
    boards, best, by_learner = [], [], []
    for modality in MODALITIES:
        board = validate_scoreboard(catalog.load(f"{modality}_scoreboard"))
        if board.empty:
            continue
        selection = of_lanes(catalog, modality, "selection")
        boards.append(board)
        best.append(best_of_ours(board[is_primary(board)], selection, catalog.load(f"{modality}_tasks")))
        costs = of_lanes(catalog, modality, "costs", JUDGED_NAMESPACES)
        by_learner.append(f"**{modality_label(modality)}**\n\n{learners_table(board, costs)}")
    chosen = pd.concat(best, ignore_index=True)
    sides = answer_sides(pd.concat(boards, ignore_index=True), chosen)
    return {
        "answers": answers_table(sides),
        "results": best_table(chosen),
        "learners": "\n\n".join(by_learner),
    }


def main() -> None:
    """Prints the tables, or writes them between their marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--env", default=None, help="environment of the run; default: the embedded hospital")
    parser.add_argument("--write", type=Path, nargs="+", default=[], help="files with marks to write between")
    arguments = parser.parse_args()
    record = latest_record(TRACKING, arguments.env)
    found = tables(artifacts(record, arguments.env))
    for path in arguments.write:
        text = path.read_text(encoding="utf-8")
        path.write_text(fill(text, arguments.env or "embedded", found), encoding="utf-8")
    if not arguments.write:
        print("\n\n".join(found.values()))


if __name__ == "__main__":
    main()
