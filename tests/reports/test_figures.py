import json
import re

import numpy as np
import pandas as pd
import pytest
from fabricated_run import CROWD, LANES, Family, drawn, fabricate, scored

from med_maml_pipeline.reports import FIGURES, draw_figures
from med_maml_pipeline.reports.figures import learning_figure, overview_figure, support_figure
from med_maml_pipeline.reports.leaders import mark_leaders
from med_maml_pipeline.reports.style import LANE_COLOURS
from med_maml_pipeline.reports.wording import learner_label

MODALITIES = ("ehr", "molecules", "imaging", "expression")
EVERY = [(modality, name) for modality in MODALITIES for name in FIGURES]


def _json(figure):
    return json.loads(figure.to_json())


def _axes(content, which):
    return [value for key, value in content["layout"].items() if key.startswith(f"{which}axis")]


@pytest.mark.parametrize(("modality", "name"), EVERY)
def test_axes_are_named_and_numbers_are_plain_and_short(reported, modality, name):
    text = reported[modality].figures[name].to_json()
    content = json.loads(text)
    assert all(axis["title"]["text"] for axis in _axes(content, "x"))
    assert all(axis["title"]["text"] or axis["ticktext"] for axis in _axes(content, "y"))
    assert content["layout"]["title"]["text"]
    assert content["layout"]["meta"]["caption"]
    assert "bdata" not in text  # packed arrays would hide numbers from older viewers
    assert len(text) < 60_000


@pytest.mark.parametrize(("modality", "name"), EVERY)
def test_panels_lie_inside_the_figure_and_do_not_overlap(reported, modality, name):
    content = _json(reported[modality].figures[name])
    boxes = [
        (*x["domain"], *y["domain"]) for x, y in zip(_axes(content, "x"), _axes(content, "y"), strict=True)
    ]
    assert all(0 <= low < high <= 1 for box in boxes for low, high in (box[:2], box[2:]))
    for i, (left, right, bottom, top) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert right <= other[0] or other[1] <= left or top <= other[2] or other[3] <= bottom


def test_a_lane_has_one_colour_in_all_figures(reported):
    names = {learner_label(learner): lane for learner, lane in LANES.items()} | {
        lane: lane for lane in LANE_COLOURS
    }
    seen: dict[str, set[str]] = {}
    for modality in MODALITIES:
        for figure in reported[modality].figures.values():
            for trace in figure.data:
                if trace.showlegend and trace.name in names:
                    colour = trace.line.color or trace.marker.color
                    seen.setdefault(names[trace.name], set()).add(colour)
    assert seen == {lane: {LANE_COLOURS[lane]} for lane in set(LANES.values())}


def test_chance_is_drawn_where_it_has_one_value(reported):
    def levels(modality):
        figure = reported[modality].figures["support"]
        return [trace.y[0] for trace in figure.data if trace.line.dash == "dot" and trace.name is None]

    assert levels("imaging") == [0.25, 0.2]
    assert levels("expression") == [0.5]  # two, three and four classes: AUROC
    assert levels("ehr") == [0.5, 0.5, 0.5]  # none for Spearman
    overview = reported["imaging"].figures["overview"]
    assert {t.x[0] for t in overview.data if t.line.dash == "dot"} == {0.25, 0.2, 0}


def test_ways_stand_beside_the_support(reported):
    text = reported["imaging"].figures["forest"].to_json()
    assert "5 per class, 4-way" in text
    assert "5 per class, 5-way" in text
    assert "difference in accuracy" in text
    assert "-way" not in reported["expression"].figures["forest"].to_json()


def test_long_titles_and_labels_are_broken_into_lines():
    run = fabricate("imaging", CROWD)
    for name, figure in drawn(run, scored(run)).items():
        heads = [note.text for note in figure.layout.annotations]
        plain = [re.sub("</?b>", "", line) for head in heads for line in head.split("<br>")]
        assert max(map(len, plain)) <= 48, name
        assert figure.layout.meta["title"] >= 15 * max(head.count("<br>") + 1 for head in heads)
    overview = drawn(run, scored(run))["overview"]
    assert max(len(line) for tick in overview.layout.yaxis.ticktext for line in tick.split("<br>")) <= 20


def test_support_figure_draws_the_scoreboard(reported):
    board = reported["molecules"].scoreboard
    rows = board[(board["learner"] == "maml") & (board["metric"] == "auroc") & (board["source"] == "toxcast")]
    curves = [
        trace
        for trace in reported["molecules"].figures["support"].data
        if trace.name == "optimisation" and trace.mode == "lines+markers" and list(trace.x) == [5, 32]
    ]
    assert list(curves[0].y) == rows.sort_values("support_size")["value"].round(4).tolist()


def test_a_lane_without_choice_is_drawn_learner_by_learner(reported):
    run, board = reported["molecules"].run, reported["molecules"].scoreboard
    figure = support_figure(mark_leaders(board, pd.DataFrame(), run.tasks))
    curves = [t for t in figure.data if t.name == "Random forest" and t.mode == "lines+markers"]
    assert [list(curve.x) for curve in curves] == [[1, 10], [5, 32]]
    lines = {t.name: t.line.dash for t in figure.data if t.mode == "lines+markers"}
    assert len({lines[name] for name in ("Random forest", "Nearest neighbours", "Logistic / ridge")}) == 3


def test_undefined_values_leave_a_gap(reported):
    run, board = reported["molecules"].run, reported["molecules"].scoreboard.copy()
    gone = (board["learner"] == "maml") & (board["support_size"] == 32)
    board.loc[gone, ["value", "ci_low", "ci_high"]] = np.nan
    figure = support_figure(mark_leaders(board, run.selection, run.tasks))
    curve = next(
        t
        for t in figure.data
        if t.name == "optimisation" and t.mode == "lines+markers" and list(t.x) == [5, 32]
    )
    assert curve.y[1] is None
    overview = overview_figure(mark_leaders(board, run.selection, run.tasks))
    assert "NaN" not in overview.to_json()


def test_forest_mean_is_the_scoreboards_difference(reported):
    one = reported["molecules"]
    rows = one.scoreboard[one.scoreboard["metric"] == "auroc"]
    board = rows[(rows["source"] == "toxcast") & (rows["support_size"] == 32)].set_index("learner")
    traces = [
        trace for trace in one.figures["forest"].data if trace.text and "mean over tasks" in trace.text[0]
    ]
    drawn_means = {trace.x[0] for trace in traces}
    ours = board.loc[["maml", "protonet", "linear_probe", "fine_tune"], "diff_to_classical"]
    assert drawn_means & set(ours.round(4))
    dots = [
        trace for trace in one.figures["forest"].data if trace.text and "label_00" in " ".join(trace.text)
    ]
    assert sorted(len(trace.x) for trace in dots) == [3, 10]
    for mean, tasks in zip(traces, dots, strict=True):
        assert np.mean(tasks.x) == pytest.approx(mean.x[0], abs=2e-4)
        assert list(tasks.x) == sorted(tasks.x)


def test_forest_of_many_tasks_names_them_on_hover_only():
    run = fabricate("molecules", (Family("toxcast", "assay", 50, sizes=(5,)),))
    figure = drawn(run, scored(run))["forest"]
    assert figure.layout.yaxis.ticktext == ("<b>mean over tasks</b>",)
    assert figure.layout.yaxis.title.text == "50 test tasks, in order"
    assert "disjoint_label_49" in figure.to_json()


def test_roc_area_is_the_scoreboards_auroc(reported):
    one = reported["molecules"]
    board = one.scoreboard
    rows = board[(board["metric"] == "auroc") & (board["learner"] == "maml")]
    at_top = {("tox21", 10), ("toxcast", 32)}
    expected = [
        value
        for source, size, value in zip(rows["source"], rows["support_size"], rows["value"], strict=True)
        if (source, size) in at_top
    ]
    areas = [np.trapezoid(t.y, t.x) for t in one.figures["roc"].data if t.name == "optimisation"]
    assert sorted(areas) == pytest.approx(sorted(expected), abs=0.02)


def test_reliability_counts_every_query_once(reported):
    curves = [t for t in reported["molecules"].figures["reliability"].data if t.name == "metric"]
    queries = {2 * 10 * 40, 2 * 3 * 40}  # draws, tasks, queries of an episode
    assert {sum(curve.customdata) for curve in curves} == queries


def test_learning_curves_average_folds_and_stay_short():
    steps = np.arange(1, 1001)
    rows = [
        {
            **{
                "problem": "p",
                "fold": fold,
                "learner": "maml",
                "seed": 0,
                "step": step,
                "loss": 1 / step + fold,
            },
            **{"validation": step / 1000 + fold if step % 100 == 0 else np.nan, "kept": float(step == 700)},
        }
        for fold in (0, 1)
        for step in steps
    ]
    figure = learning_figure(pd.DataFrame(rows), {"maml": "optimisation"})
    line = next(trace for trace in figure.data if trace.showlegend)
    assert len(line.x) <= 80
    assert (line.x[0], line.x[-1]) == (1, 1000)
    assert line.y[0] == pytest.approx(1.5)
    assert any(trace.fill == "toself" for trace in figure.data)
    looks = next(trace for trace in figure.data if trace.mode == "lines" and len(trace.x) == 10)
    assert list(looks.y) == pytest.approx([step / 1000 + 0.5 for step in range(100, 1001, 100)])
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert [list(trace.x) for trace in dots] == [[700], [700]]
    assert [trace.y[0] for trace in dots] == pytest.approx([1 / 700 + 0.5, 1.2], abs=1e-3)


def test_learning_curves_without_a_look_have_no_panel_for_it():
    rows = [
        {
            "problem": "p",
            "fold": 0,
            "learner": "maml",
            "seed": 0,
            "step": step,
            "loss": 1.0,
            "validation": np.nan,
        }
        for step in (1, 2)
    ]
    figure = learning_figure(pd.DataFrame(rows).assign(kept=[0.0, 1.0]), {"maml": "optimisation"})
    assert "yaxis2" not in figure.to_plotly_json()["layout"]
    assert len([trace for trace in figure.data if trace.mode == "markers"]) == 1


def test_a_run_without_predictions_says_so_in_every_figure():
    empty = pd.DataFrame()
    run = fabricate("ehr", (Family("icu_demo_yaib", "outcome", 2, sizes=(5,)),))
    figures = draw_figures(
        scored(run).iloc[:0],
        run.predictions.iloc[:0],
        run.tasks,
        run.episodes,
        empty,
        run.costs,
        empty,
        seed=0,
    )
    assert all("facets" not in figure.layout.meta for figure in figures.values())
    assert all(figure.layout.meta["caption"].endswith(".") for figure in figures.values())


def test_hostile_labels_are_text():
    run = fabricate(
        "ehr", (Family('<a href="https://evil.example">x</a>', "<script>alert(1)</script>", 3, sizes=(5,)),)
    )
    for figure in drawn(run, scored(run)).values():
        text = figure.to_json()
        for letter in ("\\u003c", "<"):
            assert f"{letter}a href" not in text
            assert f"{letter}script" not in text
