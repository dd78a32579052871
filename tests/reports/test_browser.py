"""The page in a real browser, where one is installed: it runs under its own policy and draws."""

import re
import shutil
import subprocess

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1366,20000", "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_page_draws_every_figure_and_breaks_no_rule(page, reported, tmp_path):
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    shown = subprocess.run(
        [str(BROWSER), *FLAGS, profile, (tmp_path / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    total = sum(len(one.scoreboard) for one in reported.values())
    assert re.search(rf"(\d+) of \1 matching rows \({total} in all\)", shown.stdout)
    figures = sum(len(one.figures) for one in reported.values())
    assert len(re.findall(r'class="main-svg"[^>]*width="\d+"', shown.stdout)) >= figures
