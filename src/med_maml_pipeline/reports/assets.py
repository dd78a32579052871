"""What the page carries inside itself: styles, script, plotly.js, and the policy that forbids all else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from med_maml_pipeline.reports.style import LANE_COLOURS

__all__ = ["content_security_policy", "environment", "page_script", "plotly_script", "stylesheet"]


@cache
def environment() -> Environment:
    """Jinja environment: every value is escaped, and a missing one is an error."""
    return Environment(
        loader=PackageLoader("med_maml_pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet() -> str:
    """The style sheet, with the colours of the lanes."""
    return environment().get_template("report.css").render(lanes=LANE_COLOURS)


def page_script() -> str:
    """The script of filters and figures."""
    loader = PackageLoader("med_maml_pipeline.reports")
    return loader.get_source(environment(), "report.js")[0]


@cache
def plotly_script() -> str:
    """plotly.js as installed with plotly, with line ends as a browser sees them."""
    return get_plotlyjs().replace("\r\n", "\n")


def content_security_policy(*scripts: str) -> str:
    """A policy under which only the given scripts run and no connection is opened (W3C CSP level 3).

    Scripts are allowed by their hash. Styles may be inline because plotly sets them on its elements; pictures
    may be ``data:`` and ``blob:`` so that a figure can be saved.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(_digest(script)).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> bytes:
    return hashlib.sha256(script.encode()).digest()
