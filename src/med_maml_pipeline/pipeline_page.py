"""The pipeline as a page of Kedro-Viz, built from files and served on this machine without any connection."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from med_maml_pipeline.errors import ConfigurationError, MedMamlError

__all__ = ["build_page", "page_server"]

HOST = "127.0.0.1"  # nobody else on the network sees the page
_BUILD = "build"
_RULES = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
_ELSEWHERE = re.compile(r"<link\b[^>]*\bhref=\"https?://[^>]*>\s*")
# Kedro-Viz's tour of itself lies over the picture. Opened from the settings, it shows all the same.
_NO_TOUR = "<script>localStorage.KedroViz ??= JSON.stringify({showFeatureHints: false})</script>"


def build_page(project: Path, env: str | None = None) -> Path:
    """Builds Kedro-Viz's page with the previews that the catalog allows.

    ``kedro viz run`` asks the package index for its newest version, and its page asks Google for a font. A
    built page does neither once its links to elsewhere are gone; its own rules then forbid the rest. Paths in
    it start at the project, whose place on this machine concerns nobody.

    Args:
        project: Folder of the project; the page goes to its ``build``.
        env: Environment.

    Returns:
        Folder of the page.

    Raises:
        MedMamlError: Kedro-Viz could not build it.
    """
    folder = project / _BUILD
    shutil.rmtree(folder / "api", ignore_errors=True)  # previews of another environment
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-previews"]
    environment = os.environ | ({"KEDRO_ENV": env} if env else {})
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if not (folder / "api" / "main").is_file():  # Kedro-Viz exits with 0 all the same
        told = (done.stderr + done.stdout).strip().splitlines()
        raise MedMamlError(f"Kedro-Viz could not build the page: {told[-1].strip() if told else 'no reason'}")
    _keep_at_home(folder / "index.html")
    _make_relative(folder / "api", project)
    return folder


def page_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the page; the caller starts and closes it. Port 0 takes a free one.

    Raises:
        ConfigurationError: the port is taken.
    """
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Files, directory=str(folder)))
    except OSError as error:
        raise ConfigurationError(f"port {port} is taken; name another one with --port") from error


class _Files(SimpleHTTPRequestHandler):
    """Files of the page, without a line in the terminal for each."""

    def translate_path(self, path: str) -> str:
        """The page's own address of the last run, where it is opened or loaded anew, is the page too."""
        return super().translate_path("/index.html" if path.partition("?")[0] == "/workflow" else path)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _keep_at_home(index: Path) -> None:
    rules = f'<meta http-equiv="Content-Security-Policy" content="{_RULES}" />'
    page = _ELSEWHERE.sub("", index.read_text(encoding="utf-8"))
    index.write_text(page.replace("<head>", f"<head>\n{rules}\n{_NO_TOUR}", 1), encoding="utf-8")


def _make_relative(answers: Path, project: Path) -> None:
    place = f"{project.resolve().as_posix()}/".encode()
    for file in answers.rglob("*"):
        if file.is_file() and place in (content := file.read_bytes()):
            file.write_bytes(content.replace(place, b""))
