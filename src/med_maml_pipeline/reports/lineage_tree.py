"""Where a version comes from, as a tree for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from med_maml_pipeline.runs.lineage import Origin
    from med_maml_pipeline.runs.record import RunRecord

__all__ = ["lineage_tree"]


def lineage_tree(origin: Origin) -> Tree:
    """The version at the root, what it was made from below it, sources and their checksums at the leaves.

    A version that is used more than once is opened once. What is known of a run stands where the run is first
    met.

    Args:
        origin: From `med_maml_pipeline.runs.lineage.origin_of`.
    """
    shown: set[tuple[str, str | None]] = set()
    runs: set[str] = set()
    tree = Tree(_label(origin), guide_style="dim")
    _grow(tree, origin, shown, runs)
    return tree


def _grow(branch: Tree, origin: Origin, shown: set[tuple[str, str | None]], runs: set[str]) -> None:
    shown.add((origin.dataset, origin.version))
    if origin.record is not None and origin.record.run_id not in runs:
        runs.add(origin.record.run_id)
        branch.add(_run(origin.record))
    if origin.parameters:
        branch.add(Text("parameters  " + ", ".join(n.removeprefix("params:") for n in origin.parameters)))
    for one in origin.inputs:
        again = (one.dataset, one.version) in shown
        child = branch.add(_label(one, again=again))
        if not again:
            _grow(child, one, shown, runs)
    for source, files in (origin.sources or {}).items():
        count = f"{files['files']:,} file" + ("s" if files["files"] != 1 else "")
        branch.add(Text(f"{source}  {count}, {files['size']:,} bytes, sha256 {files['sha256'][:16]}"))


def _label(origin: Origin, *, again: bool = False) -> Text:
    label = Text(origin.dataset, style="bold")
    if origin.version is not None:
        label.append(f"  {origin.version}", style="not bold")
    if again:
        return label.append("  (see above)", style="not bold dim")
    if origin.node is not None:
        return label.append(f"  by {origin.node}", style="not bold cyan")
    if origin.sources is not None:
        what = "from outside" if origin.sources else "no files from outside"
        return label.append(f"  {what}", style="not bold green")
    digest = f", sha256 {origin.sha256[:16]}" if origin.sha256 else ""
    return label.append(f"  no record of the run that made it{digest}", style="not bold yellow")


def _run(record: RunRecord) -> Text:
    commit = str(record.code.get("commit", "unknown"))[:12]
    changes = " with uncommitted changes" if record.code.get("dirty") else ""
    seeds = ", ".join(f"{name} {value}" for name, value in record.seeds.items()) or "none"
    lines = (
        f"run {record.run_id}  {record.status}, environment {record.environment or 'default'}",
        f"code {commit}{changes}, parameters sha256 {record.parameters_sha256[:16]}, seeds: {seeds}",
    )
    return Text("\n".join(lines), style="dim")
