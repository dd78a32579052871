"""What people see where learners were meta-trained with several seeds."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fabricated_run import Family, Reported, Run, drawn, fabricate, scored
from rich.console import Console

from med_maml_pipeline.reports import render_report, terminal_scoreboard
from med_maml_pipeline.reports.leaders import mark_leaders
from med_maml_pipeline.reports.wording import number


def _again(run: Run) -> Run:
    """The run with a second seed, whose scores and losses are others."""
    rng = np.random.default_rng(5)
    scores = run.predictions["scores"].map(lambda one: one + rng.normal(0, 1, one.shape))
    more = {
        "predictions": run.predictions.assign(seed=1, scores=scores),
        "history": run.history.assign(seed=1, loss=run.history["loss"] + 0.2),
        "selection": run.selection.assign(seed=1, value=run.selection["value"] + 0.1),
        "costs": run.costs.assign(seed=1),
    }
    return replace(run, **{name: pd.concat([getattr(run, name), table]) for name, table in more.items()})


def _reported(run: Run) -> Reported:
    board = scored(run)
    return Reported(run, board, drawn(run, board))


@pytest.fixture(scope="module")
def one() -> Reported:
    return _reported(fabricate("ehr", (Family("ward", "condition", 3, sizes=(5,)),)))


@pytest.fixture(scope="module")
def two(one: Reported) -> Reported:
    return _reported(_again(one.run))


@pytest.mark.parametrize("name", ["roc", "reliability"])
def test_curves_are_of_the_first_seed_and_say_so(one: Reported, two: Reported, name: str) -> None:
    assert two.figures[name].layout.meta["caption"] == (
        one.figures[name].layout.meta["caption"] + " Of several meta-training seeds the first is drawn."
    )
    assert [(t.name, t.x, t.y) for t in two.figures[name].data] == [
        (t.name, t.x, t.y) for t in one.figures[name].data
    ]


def test_learning_curves_are_means_over_seeds_and_bands_span_them(one: Reported, two: Reported) -> None:
    before, after = (run.figures["learning"] for run in (one, two))
    assert "over folds and seeds" in after.layout.meta["caption"]
    assert "seeds" not in before.layout.meta["caption"]
    line, seen = (next(t for t in figure.data if t.showlegend) for figure in (before, after))
    np.testing.assert_allclose(np.subtract(seen.y, line.y), 0.1, atol=2e-3)
    assert not [trace for trace in before.data if trace.fill == "toself"]
    assert [trace for trace in after.data if trace.fill == "toself"]


def _terminal(run: Reported) -> str:
    stream = io.StringIO()
    Console(file=stream, width=120, force_terminal=False).print(terminal_scoreboard(run.scoreboard))
    return stream.getvalue()


def test_the_terminal_shows_the_deviation_below_the_value(one: Reported, two: Reported) -> None:
    board = two.scoreboard
    deviations = board.loc[board["metric"] == "auroc", "seed_sd"]
    text = _terminal(two)
    assert all(f"±{number(value)}" in text for value in deviations)
    assert "standard deviation over meta-training seeds" in text
    assert "±" not in _terminal(one)
    assert "seeds" not in _terminal(one)


def test_the_report_has_a_column_of_deviations_only_then(one: Reported, two: Reported) -> None:
    before, after = (render_report(run.scoreboard, [run.evidence()], {}) for run in (one, two))
    column = '<th scope="col" data-key="seeds">SD over seeds</th>'
    assert column in after
    assert column not in before
    marked = mark_leaders(two.scoreboard, two.run.selection, two.run.tasks)
    shown = marked[marked["leader"] & (marked["metric"] == "auroc")]
    assert len(shown)
    assert all(f'<td class="num">{number(value)}</td>' in after for value in shown["seed_sd"])
    assert "seed 0, 1</p>" in after
    assert "seed 0</p>" in before
    assert "(means over folds and meta-training seeds)" in after
    assert "(means over folds)" in before
