"""What every benchmark leaves behind: a JSON file with the machine's facts, a Markdown table, a picture."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["effort", "machine", "options", "save", "table", "write_between_markers"]

_ROOT = Path(__file__).resolve().parents[2]


def options(document: str | None, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of a benchmark; its help is the script's docstring."""
    parser = argparse.ArgumentParser(
        description=document, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="two rounds: figures for a first look")
    size.add_argument(
        "--tiny", action="store_true", help="tiny shapes: shows that it runs, figures say nothing"
    )
    parser.add_argument("--only", metavar="NAME", help="only workloads whose name contains NAME")
    parser.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        nargs="+",
        default=[],
        help="put the table between the file's markers",
    )
    parser.add_argument("--results", type=Path, default=_ROOT / "benchmarks" / "results")
    parser.add_argument("--images", type=Path, default=_ROOT / "docs" / "images" / "benchmarks")
    return parser.parse_args(arguments)


def effort(chosen: argparse.Namespace) -> str:
    """``tiny``, ``quick`` or ``full``."""
    return "tiny" if chosen.tiny else "quick" if chosen.quick else "full"


def machine() -> dict[str, Any]:
    """CPU model, cores, versions, date: what the figures need; nothing names the machine."""
    found = None
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
    return {
        "cpu": found.group(1) if found else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "torchopt", "higher")},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def save(
    name: str, chosen: argparse.Namespace, content: Mapping[str, Any], markdown: str, *, picture: bool = True
) -> None:
    """Writes the JSON file, fills markers with table and picture, prints the table."""
    facts = machine()
    chosen.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": facts, "effort": effort(chosen), **content}, indent=1, ensure_ascii=False)
    (chosen.results / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    note = (
        f"{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, {facts['date']}"
        f"{'' if effort(chosen) == 'full' else f' ({effort(chosen)} run)'}; `python benchmarks/{name}.py`."
    )
    markdown = f"{markdown}\n\n{note}"
    print(markdown)
    for path in chosen.write:
        place = Path(os.path.relpath(chosen.images / f"{name}.png", path.parent)).as_posix()
        write_between_markers(path, name, f"{markdown}\n\n![{name}]({place})" if picture else markdown)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are flushed right."""
    marks = ["---"] + ["---:"] * (len(heads) - 1)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [heads, marks, *rows])


def write_between_markers(path: Path, name: str, markdown: str) -> None:
    """Replaces what stands between ``<!-- bench:NAME -->`` and ``<!-- /bench:NAME -->``.

    Raises:
        SystemExit: the file has no such markers.
    """
    opening, closing = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(opening) + ".*?" + re.escape(closing), re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{path.name} has no place for the table: add the lines {opening} and {closing}")
    filled = f"{opening}\n{markdown}\n{closing}"
    path.write_text(pattern.sub(lambda _: filled, text), encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
