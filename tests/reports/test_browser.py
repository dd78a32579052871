"""The page in a real browser, where one is installed, on a laptop and a phone: it draws, nothing overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from browser import BROWSER, Tab, tab
from fabricated_run import CROWD, FAMILIES, Reported, Run, drawn, fabricate, gallery, scored, whole_roster

from med_maml_pipeline.reports import Evidence, render_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine"),
]

SCREENS = {"laptop": (1366, 768, False), "phone": (390, 844, True)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("browser") / "profile") as one:
        yield one


@pytest.fixture(scope="module")
def crowded() -> str:
    """The page of as many sources as a public run may have, with names of all lengths."""
    return _page("imaging", fabricate("imaging", CROWD))


@pytest.fixture(scope="module")
def long_roster() -> str:
    """The page of every learner of the house, and of lanes in which nobody was chosen."""
    run = fabricate("molecules", FAMILIES["molecules"], lanes=whole_roster())
    return _page("molecules", replace(run, selection=run.selection.assign(value=float("nan"))))


def _page(modality: str, run: Run) -> str:
    board = scored(run)
    evidence = Evidence(
        modality,
        drawn(run, board),
        run.tasks.assign(shared_inputs=False),
        run.attrition,
        run.audit,
        run.selection,
        gallery(modality),
    )
    return render_report(board, [evidence], {"seed": 0})


def _open(browser: Tab, page: str, folder: Path, screen: str, *, dark: bool = False) -> None:
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    width, height, phone = SCREENS[screen]
    browser.said.clear()
    browser.open(file, width, height, phone=phone, dark=dark)


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_draws_every_figure_and_breaks_no_rule(
    browser: Tab, page: str, reported: Mapping[str, Reported], tmp_path: Path, screen: str
) -> None:
    _open(browser, page, tmp_path, screen)
    assert browser.said == []
    total = sum(len(one.scoreboard) for one in reported.values())
    count = str(browser.evaluate("document.getElementById('count').textContent"))
    assert count.endswith(f"matching rows ({total} in all)")
    figures = sum(len(one.figures) + (one.evidence().gallery is not None) for one in reported.values())
    assert browser.evaluate(_NUMBER % ".plot .main-svg:first-child") == figures
    assert browser.evaluate(_NUMBER % ".imagelayer image") == 2  # slides and scans
    assert browser.evaluate(_NUMBER % ".hm image") == 4  # three sites and the key


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("content", ["page", "crowded", "long_roster"])
def test_nothing_overlaps_and_nothing_is_cut_off(
    browser: Tab, request: pytest.FixtureRequest, tmp_path: Path, content: str, screen: str
) -> None:
    _open(browser, request.getfixturevalue(content), tmp_path, screen)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not browser.evaluate(wide), "the page scrolls sideways"
    assert browser.evaluate(_ON_THE_PAGE) == []
    assert browser.evaluate(_IN_FIGURES) == []
    assert browser.evaluate(_CUT_OFF) == []


def test_in_the_dark_text_stands_out(browser: Tab, page: str, tmp_path: Path) -> None:
    _open(browser, page, tmp_path, "laptop", dark=True)
    assert browser.said == []
    ink, paper = browser.evaluate(_INK_AND_PAPER)
    assert min(ink) > 180
    assert max(paper) < 60


_NUMBER = "document.querySelectorAll('%s').length"

_BOXES = """
const boxes = (nodes) => [...nodes]
  .map((node) => ({ text: node.textContent.trim().slice(0, 60), box: node.getBoundingClientRect() }))
  .filter(({ text, box }) => text && box.width > 1 && box.height > 1);
const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5
  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2.5;
const pairs = (found) => found.flatMap((a, i) => found.slice(i + 1)
  .filter((b) => meet(a.box, b.box)).map((b) => `${a.text} | ${b.text}`));
"""

_WORDS = "h1, h2, h3, p, figcaption, .scroll, .plot, .legend button, .contents a, .filters label"

_ON_THE_PAGE = f"(() => {{{_BOXES} return pairs(boxes(document.querySelectorAll('{_WORDS}'))); }})()"
"""Headings, paragraphs, captions, tables, figures, entries of legends and filters that lie on each other."""

_TEXTS = ".xtick text, .ytick text, .g-xtitle text, .g-ytitle text, .annotation text"

_IN_FIGURES = (
    f"(() => {{{_BOXES} return [...document.querySelectorAll('.plot')]"
    f".flatMap((plot) => pairs(boxes(plot.querySelectorAll('{_TEXTS}')))); }})()"
)
"""Tick labels, titles of axes and of panels that lie on each other in one figure."""

_CUT_OFF = (
    f"(() => {{{_BOXES} return [...document.querySelectorAll('.plot')].flatMap((plot) => {{"
    "const frame = plot.getBoundingClientRect();"
    f"return boxes(plot.querySelectorAll('{_TEXTS}')).filter(({{ box }}) => box.left < frame.left - 1 || "
    "box.right > frame.right + 1 || box.bottom > frame.bottom + 1).map(({ text }) => text); }); })()"
)
"""Labels that reach beyond their figure, where they would not be seen."""

_INK_AND_PAPER = """(() => {
  const channels = (colour) => colour.match(/\\d+/g).slice(0, 3).map(Number);
  const text = document.querySelector('.plot .xtick text');
  return [channels(getComputedStyle(text).fill), channels(getComputedStyle(document.body).backgroundColor)];
})()"""
