"""What the commands of `cli` do: they ask the rooms and show the answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.reports.console import terminal_console
from med_maml_pipeline.runs import TRACKING
from med_maml_pipeline.runs.commands import Selection
from med_maml_pipeline.runs.history import History
from med_maml_pipeline.runs.opened import OpenProject, open_project
from med_maml_pipeline.validation import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["command_file", "prune_data", "show_lineage", "show_pipeline", "show_scoreboard", "show_stale"]

_SCOREBOARD = "scoreboard"


def show_scoreboard(
    path: Path, env: str | None, modality: str | None, source: str | None, versions: Sequence[str]
) -> None:
    """Prints a scoreboard, or two versions compared.

    Args:
        path: Folder of the project.
        env: Environment.
        modality: Take this modality's own scoreboard.
        source: Show rows of this source only.
        versions: None, one or two; see `OpenProject.version`.

    Raises:
        ConfigurationError: no such modality, source or version.
    """
    from med_maml_pipeline.reports import terminal_scoreboard
    from med_maml_pipeline.reports.version_table import compare_versions, version_table

    project = open_project(path, env)
    name = _scoreboard_name(project, modality)
    found = [project.version(name, version) for version in versions or ["latest"]]
    boards = [_rows(project.load(name, version), source) for version in found]
    console = terminal_console()
    if len(boards) == 1:
        console.print(terminal_scoreboard(boards[0]))
    else:
        console.print(version_table(compare_versions(*boards), *found))
    console.print(f"{name}, version {' → '.join(found)}", highlight=False, soft_wrap=True)


def show_lineage(path: Path, env: str | None, dataset: str, version: str) -> None:
    """Prints where a version comes from.

    Raises:
        ConfigurationError: no such dataset or version.
    """
    from med_maml_pipeline.reports.lineage_tree import lineage_tree
    from med_maml_pipeline.runs.lineage import origin_of

    project = open_project(path, env)
    found = project.version(dataset, version)
    terminal_console().print(lineage_tree(origin_of(dataset, found, project.history)), highlight=False)


def show_pipeline(path: Path, env: str | None, port: int, *, open_browser: bool) -> None:
    """Serves the pipeline's page until Ctrl-C.

    Args:
        path: Folder of the project.
        env: Environment.
        port: Port on this machine.
        open_browser: Whether to open it in the browser.

    Raises:
        ConfigurationError: the port is taken.
        MedMamlError: Kedro-Viz could not build the page.
    """
    import webbrowser

    from med_maml_pipeline.pipeline_page import build_page, page_server

    console = terminal_console()
    with page_server(build_page(path, env), port) as server:
        address = f"http://{server.server_address[0]!s}:{server.server_address[1]}/"
        console.print(f"The pipeline: {address} (until Ctrl-C)", highlight=False)
        if open_browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def show_stale(path: Path, env: str | None, params: Mapping[str, Any]) -> bool:
    """Prints what changed and the command to catch up; true when anything is stale.

    Raises:
        ConfigurationError: a parameter or source is configured wrongly.
    """
    from med_maml_pipeline.reports.stale_table import stale_sentence, stale_table
    from med_maml_pipeline.runs.code import room_of
    from med_maml_pipeline.runs.refresh import refresh_command
    from med_maml_pipeline.runs.staleness import states

    project = open_project(path, env, params)
    found = states(project)
    console = terminal_console()
    if not found:
        console.print("No dataset has a version yet.")
        return False
    console.print(stale_table(found, {file: room_of(file) for state in found for file in state.code or ()}))
    console.print(stale_sentence(found), highlight=False, soft_wrap=True)
    command = refresh_command(project, found, Selection(env, {}, params).arguments())
    if command:
        console.print(f"Make it anew with: {command}", highlight=False, soft_wrap=True)
    return command is not None


def command_file(path: Path, run_id: str, *, resume: bool) -> Path:
    """The file for ``kedro run --config`` that repeats a run or goes on with it.

    Raises:
        UnknownRunError: there is no record of the run.
        ConfigurationError: there is no such file, and it cannot be made.
    """
    from med_maml_pipeline.runs.resume import resume_file

    history = History(path / TRACKING)
    record = history.run(run_id)
    if resume:
        return resume_file(open_project(path, record.environment), record)
    file = history.folder / f"{record.run_id}.rerun.yml"
    if not file.exists():
        raise ConfigurationError(
            f"run '{record.run_id}' ended before its first node and left no command to repeat"
        )
    return file


def prune_data(path: Path, keep: int, *, dry_run: bool) -> None:
    """Removes old versions and leftovers, and prints what that frees."""
    from med_maml_pipeline.reports.prune_table import prune_table
    from med_maml_pipeline.runs.retention import abandoned_states, leftovers, old_versions

    data = path / "data"
    freed: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    removable = [(one.dataset.relative_to(data).as_posix(), one) for one in old_versions(data, keep)]
    removable += [("half-written by killed runs", one) for one in leftovers(data, path / TRACKING)]
    removable += [("meta-trainings given up a week ago", one) for one in abandoned_states(data)]
    for name, one in removable:
        number, size = freed[name]
        freed[name] = (number + 1, size + one.size)
        if not dry_run:
            one.remove()
    terminal_console().print(prune_table(freed, dry_run=dry_run))


def _scoreboard_name(project: OpenProject, modality: str | None) -> str:
    """The scoreboard of a modality or of all; where only one modality was run, that one's."""
    made = project.everything().all_outputs()
    own = {name.removesuffix(f"_{_SCOREBOARD}"): name for name in made if name.endswith(f"_{_SCOREBOARD}")}
    if modality is not None:
        if modality not in own:
            raise ConfigurationError(f"unknown modality '{modality}'; {did_you_mean(modality, own)}")
        return own[modality]
    run_alone = [name for name in sorted(own.values()) if project.versions(name)]
    return run_alone[0] if len(run_alone) == 1 and not project.versions(_SCOREBOARD) else _SCOREBOARD


def _rows(stored: pd.DataFrame, source: str | None) -> pd.DataFrame:
    from med_maml_pipeline.metrics.schema import validate_scoreboard

    board = validate_scoreboard(stored)
    if source is None:
        return board
    if source not in set(board["source"]):
        raise ConfigurationError(
            f"the scoreboard has no source '{source}'; {did_you_mean(source, set(board['source']))}"
        )
    return board[board["source"] == source]
