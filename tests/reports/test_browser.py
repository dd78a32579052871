"""The page in a real browser, where one is installed: it runs under its own policy and draws."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1366,20000", "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip


DRAWN = re.compile(r'class="main-svg"[^>]*width="\d+"')
TRIES = 6


def _shown(report: Path, profile: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", report.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_page_draws_every_figure_and_breaks_no_rule(page, reported, tmp_path):
    report = tmp_path / "report.html"
    report.write_text(page, encoding="utf-8")
    for number in range(TRIES):
        shown = _shown(report, tmp_path / f"profile{number}")
        assert "CONSOLE" not in shown.stderr
        if DRAWN.search(shown.stdout):
            break  # else the browser gave the page away before its first frame; figures draw when in view
    total = sum(len(one.scoreboard) for one in reported.values())
    assert re.search(rf"(\d+) of \1 matching rows \({total} in all\)", shown.stdout)
    figures = sum(len(one.figures) for one in reported.values())
    assert len(DRAWN.findall(shown.stdout)) >= figures
