import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from fabricated_run import Family, drawn, fabricate, scored

from med_maml_pipeline.errors import ConfigurationError, MedMamlError
from med_maml_pipeline.metrics.answers import answers
from med_maml_pipeline.reports import Evidence, render_report
from med_maml_pipeline.reports.assets import stylesheet
from med_maml_pipeline.reports.leaders import mark_leaders
from med_maml_pipeline.reports.scoreboard_table import COLUMNS
from med_maml_pipeline.reports.wording import estimate, learner_label, metric_label, p_label

SECTIONS = (
    "answer", "verdict", "scoreboard", "ehr-results", "ehr-by-task", "ehr-curves", "ehr-training",
    "ehr-selection", "ehr-cohort", "ehr-audit", "molecules-results", "molecules-audit", "imaging-gallery",
    "expression-gallery", "definitions", "provenance",
)  # fmt: skip


class Page(HTMLParser):
    """Tags, ids, scripts, text and the rows of the scoreboard."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.ids, self.scripts, self.rows, self.text = [], set(), [], [], []
        self._open, self._in_board = [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.ids.add(attributes.get("id"))
        if tag == "table":
            self._in_board = attributes.get("id") == "board"
        if tag == "tr" and self._in_board:
            self.rows.append([])
        if tag == "td" and self._in_board:
            self.rows[-1].append("")
        if tag == "script":
            self.scripts.append((attributes.get("type"), ""))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        else:
            self.text.append(data)
            if self._in_board and "td" in self._open:
                self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def parsed(page):
    return Page(page)


def _embedded(page):
    columns = json.loads(
        next(text for kind, text in Page(page).scripts if kind == "application/json" and '"levels"' in text)
    )
    return pd.DataFrame({name: np.array(part["levels"])[part["codes"]] for name, part in columns.items()})


def test_nothing_is_fetched(parsed):
    loading = {"src", "href", "srcset", "data", "action", "poster", "background"}
    for tag, attributes in parsed.tags:
        for name in loading & set(attributes):
            assert attributes[name].startswith("#"), (tag, name)
    assert not {"link", "iframe", "object", "embed", "img", "base"} & {tag for tag, _ in parsed.tags}
    assert "url(" not in stylesheet()
    assert "@import" not in stylesheet()


def test_policy_allows_the_two_scripts_and_no_connection(parsed):
    policy = next(
        attributes["content"]
        for tag, attributes in parsed.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    run = [text for kind, text in parsed.scripts if kind is None]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in run}
    assert set(rules["script-src"].split()) == hashes
    assert len(run) == 2
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == "'none'"


def test_plotly_is_there_once_and_the_page_is_of_reasonable_size(page):
    assert page.count("* plotly.js v") == 1
    assert len(page) < 6_500_000


def test_every_section_is_there_and_every_link_leads_somewhere(parsed):
    assert set(SECTIONS) <= parsed.ids
    targets = {attributes["href"][1:] for tag, attributes in parsed.tags if tag == "a"}
    assert targets <= parsed.ids
    assert "Research use only, not a medical device." in " ".join(parsed.text)


def test_shown_table_holds_the_leaders_primary_metrics_at_the_largest_supports(reported, parsed):
    board = pd.concat(
        [mark_leaders(one.scoreboard, one.run.selection, one.run.tasks) for one in reported.values()]
    )
    board = board[board["leader"]]
    assert {"stacked", "selected", "prior"} <= set(board["learner"])
    primary = board["metric"].isin(["auroc", "spearman"]) & (board["modality"] != "imaging")
    primary |= (board["metric"] == "accuracy") & (board["modality"] == "imaging")
    rows = board[primary & (board["fold"] == "all")]
    top = rows.groupby(["source", "task_family", "protocol"])["support_size"].transform("max")
    rows = rows[rows["support_size"] == top]
    expected = {
        (source, learner_label(learner), metric_label(metric), estimate(value, low, high))
        for source, learner, metric, value, low, high in zip(
            *(rows[name] for name in ("source", "learner", "metric", "value", "ci_low", "ci_high")),
            strict=True,
        )
    }
    place = list(COLUMNS)
    cells = [row for row in parsed.rows if row]
    found = {
        (
            row[place.index("source")],
            row[place.index("learner")].rstrip(" ◆"),
            row[place.index("metric")],
            row[place.index("value")],
        )
        for row in cells
    }
    assert found == expected
    assert len(cells) == len(rows)


def test_embedded_rows_hold_the_whole_scoreboard(reported, page):
    board = pd.concat([one.scoreboard for one in reported.values()])
    rows = _embedded(page)
    assert len(rows) == len(board)
    assert sorted(rows["value"]) == sorted(map(estimate, board["value"], board["ci_low"], board["ci_high"]))
    assert sorted(rows["fold"].unique()) == ["0", "1", "2", "3", "all"]
    assert set(rows.loc[rows["protocol"] == "published", "family"]) == {"assay (published protocol)"}


def test_triangles_follow_the_direction_of_the_metric(reported, page):
    board = pd.concat([one.scoreboard for one in reported.values()])
    rows = _embedded(page)
    for metric, above in (("auroc", "better"), ("brier", "worse")):
        count = ((board["metric"] == metric) & (board["diff_low"] > 0)).sum()
        assert ((rows["metric"] == metric_label(metric)) & (rows["classical_sign"] == above)).sum() == count


def test_undefined_is_said_and_never_a_number(reported):
    one = reported["molecules"]
    board = one.scoreboard.copy()
    gone = (board["learner"] == "maml") & (board["metric"] == "auroc")
    numbers = [name for name in board if name.startswith(("value", "ci_", "diff_"))]
    board.loc[gone, numbers] = np.nan
    html = render_report(board, [one.evidence()], {})
    shown = [row for row in Page(html).rows if row and row[list(COLUMNS).index("learner")].startswith("MAML")]
    assert [row[list(COLUMNS).index("value")] for row in shown] == ["undefined"] * 2
    assert "4 of" in html
    assert "are undefined (query sets of one class" in html
    assert "nan" not in {text.strip().lower() for text in Page(html).text}


def test_the_answer_comes_first_with_its_table(reported, page, parsed):
    board = pd.concat([one.scoreboard for one in reported.values()], ignore_index=True)
    told = answers(board)
    counted = told[told["counted"]]
    words = counted["to_classical"].value_counts()
    paragraph = (
        f"Against the best classical learner, over {len(counted)} families and support sizes: "
        + ", ".join(f"{word} in {words.get(word, 0)}" for word in ("better", "level", "worse"))
    )
    text = " ".join("".join(parsed.text).split())
    assert paragraph in text
    assert f"{len(told) - len(counted)} of {len(told)} rows below do not count" in text
    assert text.index(paragraph) < text.index("Learning from other tasks helped in")
    row = told[(told["source"] == "toxcast") & (told["support_size"] == 32)].iloc[0]
    figures = estimate(*row[["diff_to_prior", "diff_to_prior_low", "diff_to_prior_high"]], difference=True)
    assert f"{row['to_prior']}, {p_label(row['holm_to_prior'])}\n{figures}</td>" in page


def test_verdict_tells_helped_from_did_not_help(reported):
    one = reported["molecules"]
    rows = one.scoreboard["source"] == "toxcast"
    better = one.scoreboard.copy()
    better.loc[rows, ["diff_low", "diff_to_prior_low"]] = 0.01
    worse = one.scoreboard.copy()
    worse.loc[rows, ["diff_high", "diff_to_prior_high"]] = -0.01
    worse.loc[rows, ["diff_low", "diff_to_prior_low"]] = -0.02
    told = {
        name: render_report(board, [one.evidence()], {})
        for name, board in (("better", better), ("worse", worse))
    }
    assert re.search(r"Helped \(\d\)</dt>\s*<dd>toxcast · assay, 32 per class: MAML", told["better"])
    assert re.search(r"a reference is better \(\d\)</dt>\s*<dd>toxcast · assay, 32 per class", told["worse"])


def test_rendering_is_a_pure_function(reported, page):
    scoreboard = pd.concat([one.scoreboard for one in reported.values()], ignore_index=True)
    facts = {"run_id": "2026-01-01T00.00.00", "git_commit": "abc1234", "packages": {"torch": "2.13.0"}}
    assert render_report(scoreboard, [one.evidence() for one in reported.values()], facts) == page
    assert "packages.torch" in page


def test_hostile_labels_stay_text():
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    run = fabricate("ehr", (Family(hostile, "{{ 7 * 7 }}", 3, sizes=(5,)),))
    board = scored(run)
    evidence = Evidence("ehr", drawn(run, board), run.tasks, run.attrition, run.audit, run.selection)
    html = render_report(board, [evidence], {hostile: hostile})
    parsed = Page(html)
    assert len([kind for kind, _ in parsed.scripts if kind is None]) == 2
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert "{{ 7 * 7 }}" in " ".join(parsed.text)


def test_no_identifier_reaches_the_page(reported):
    one, canary = reported["molecules"], "CANARY-7731"
    tables = {name: getattr(one.run, name) for name in ("tasks", "attrition", "audit", "selection")}
    planted = {
        name: table.assign(group_key=canary, group=canary, subject_id=canary, file=canary)
        for name, table in tables.items()
    }
    planted["tasks"] = planted["tasks"].assign(class_counts=canary, examples=canary, checksum=canary)
    run = replace(
        one.run,
        predictions=one.run.predictions.assign(group_key=canary),
        episodes=one.run.episodes.assign(group_key=canary, support=canary, query=canary),
        **planted,
    )
    html = render_report(one.scoreboard, [Evidence("molecules", drawn(run, one.scoreboard), **planted)], {})
    assert canary not in html
    assert not any(episode in html for episode in run.episodes["episode_id"])
    assert one.scoreboard["episodes_checksum"].iloc[0] not in html


def test_a_modality_alone_and_empty_evidence_still_make_a_page(reported):
    html = render_report(reported["ehr"].scoreboard, [Evidence("ehr")], {})
    text = " ".join(Page(html).text)
    for sentence in (
        "This run has nothing to compare, so there is no verdict.",
        "This figure was not made in this run.",
        "No task table was given.",
        "No attrition account was given.",
        "No leakage audit was given.",
        "No selection table was given",
        "No provenance was given.",
    ):
        assert sentence in text
    assert "plotly.js" not in html  # nothing to draw, nothing to carry
    assert len(html) < 500_000


def test_a_run_without_ensembles_says_that_it_has_no_answer(reported):
    one = reported["molecules"]
    board = one.scoreboard[one.scoreboard["lane"] != "ensemble"]
    text = " ".join(Page(render_report(board, [one.evidence()], {})).text)
    assert "This run combined no lanes, so there is no answer" in text
    assert "Stacked −" not in text


def test_an_empty_scoreboard_still_makes_a_page(reported):
    html = render_report(reported["ehr"].scoreboard.iloc[:0], [], {})
    assert "Report: no results" in html
    assert not [row for row in Page(html).rows if row]


def test_regression_alone_says_what_is_absent():
    run = fabricate("ehr", (Family("icu", "outcome_value", 3, sizes=(16,), regression=True, prior=False),))
    board = scored(run)
    evidence = Evidence("ehr", drawn(run, board), run.tasks, run.attrition, run.audit, run.selection)
    text = " ".join(Page(render_report(board, [evidence], {})).text)
    assert "Only tasks with classes have such curves, and this run judged none." in text
    assert "not defined" in text  # the prior
    assert "Spearman ρ" in text


def test_a_board_of_another_form_is_refused(reported):
    with pytest.raises(MedMamlError, match="scoreboard has not the expected form"):
        render_report(reported["ehr"].scoreboard.drop(columns="value"), [], {})


def test_a_table_without_its_columns_is_refused_by_name(reported):
    one = reported["ehr"]
    evidence = Evidence("ehr", audit=one.run.audit.drop(columns=["overlaps", "verdict"]))
    with pytest.raises(ConfigurationError, match="'leakage audit' lacks the columns overlaps, verdict"):
        render_report(one.scoreboard, [evidence], {})
