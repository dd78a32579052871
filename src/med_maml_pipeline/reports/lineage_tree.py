"""Where a version comes from, as a tree for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from med_maml_pipeline.runs.lineage import Origin
    from med_maml_pipeline.runs.record import RunRecord

__all__ = ["lineage_tree"]

_Made: TypeAlias = tuple[str, str | None]


def lineage_tree(origin: Origin) -> Tree:
    """The version at the root, what it was made from below it, sources and their checksums at the leaves.

    What one node of a run made is one branch, opened where it is first met. What is known of a run stands
    where the run is first met.

    Args:
        origin: From `med_maml_pipeline.runs.lineage.origin_of`.
    """
    tree = Tree(_label([origin]), guide_style="dim")
    _grow(tree, origin, {_made(origin)}, set())
    return tree


def _grow(branch: Tree, origin: Origin, shown: set[_Made], runs: set[str]) -> None:
    if origin.record is not None and origin.record.run_id not in runs:
        runs.add(origin.record.run_id)
        branch.add(_run(origin.record))
    if origin.parameters:
        branch.add(Text("parameters  " + ", ".join(n.removeprefix("params:") for n in origin.parameters)))
    together: dict[_Made, list[Origin]] = {}
    for one in origin.inputs:
        together.setdefault(_made(one), []).append(one)
    again = [one.dataset for made, group in together.items() if made in shown for one in group]
    for made, group in together.items():
        if made not in shown:
            shown.add(made)
            _grow(branch.add(_label(group)), group[0], shown, runs)
    if again:
        branch.add(Text(f"as above: {', '.join(again)}", style="dim"))
    for source, files in (origin.sources or {}).items():
        count = f"{files['files']:,} file" + ("s" if files["files"] != 1 else "")
        branch.add(Text(f"{source}  {count}, {files['size']:,} bytes, sha256 {files['sha256'][:16]}"))


def _made(origin: Origin) -> _Made:
    """What the outputs of one node of one run have in common."""
    return (origin.node or origin.dataset, origin.version)


def _label(group: Sequence[Origin]) -> Text:
    origin = group[0]
    label = Text(", ".join(one.dataset for one in group), style="bold")
    if origin.version is not None:
        label.append(f"  {origin.version}", style="not bold")
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
