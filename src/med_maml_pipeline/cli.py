"""Commands of the project: ``scoreboard``, ``lineage``, ``stale``, ``rerun``, ``prune``, ``look``.

Kedro adds the commands of `cli` to its own, and takes `run` for ``python -m med_maml_pipeline``.
"""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.project import run as run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, _split_params, env_option
from kedro.framework.startup import ProjectMetadata

from med_maml_pipeline.errors import MedMamlError

__all__ = ["cli", "run"]


class _Command(click.Command):
    """Tells what this package raises on purpose in its one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MedMamlError as error:
            raise click.ClickException(str(error)) from error


@click.group(context_settings=CONTEXT_SETTINGS, name="med_maml_pipeline")
def cli() -> None:
    """Commands of this project."""


_params = click.option(
    "--params",
    type=click.UNPROCESSED,
    default="",
    callback=_split_params,
    help="Parameters as given to `kedro run --params`, so that they are not taken for changed.",
)


@cli.command(cls=_Command)
@env_option
@click.option("--modality", "-m", help="The scoreboard of one kind of data only: ehr, molecules, …")
@click.option("--source", "-s", help="Rows of one source only.")
@click.argument("first", metavar="[VERSION", required=False)
@click.argument("second", metavar="[VERSION2]]", required=False)
@click.pass_obj
def scoreboard(
    project: ProjectMetadata,
    env: str | None,
    modality: str | None,
    source: str | None,
    first: str | None,
    second: str | None,
) -> None:
    """Show the latest scoreboard, or compare two versions of it.

    VERSION is a time stamp of Kedro, `latest` or `previous`. With two versions, every value in both, the
    difference (second minus first), and whether both were judged on the same episodes.

    Examples: `kedro scoreboard`, `kedro scoreboard previous latest --source tox21`.
    """
    from med_maml_pipeline.project_commands import show_scoreboard

    show_scoreboard(project.project_path, env, modality, source, [v for v in (first, second) if v])


@cli.command(cls=_Command)
@env_option
@click.option("--version", "-v", default="latest", show_default=True, help="Time stamp, latest or previous.")
@click.argument("dataset")
@click.pass_obj
def lineage(project: ProjectMetadata, env: str | None, version: str, dataset: str) -> None:
    """Show where a version of DATASET comes from.

    A tree from the version back to the files from outside: by which node of which run it was made, with which
    code, parameters and seeds, and from which versions of which datasets; sources with their checksums.

    Example: `kedro lineage ehr_scoreboard`.
    """
    from med_maml_pipeline.project_commands import show_lineage

    show_lineage(project.project_path, env, dataset, version)


@cli.command(cls=_Command)
@env_option
@_params
@click.option("--check", is_flag=True, help="End with exit code 1 when anything is stale.")
@click.pass_obj
def stale(project: ProjectMetadata, env: str | None, params: dict[str, Any], check: bool) -> None:
    """Show what changed since the latest version of each dataset was made.

    Compares with the record of the run that made it: parameters that its node uses, files of the code that
    its node can reach (uncommitted changes included), contents and configuration of sources, and datasets of
    which there are newer versions. Ends with the command that makes anew what is stale.

    Reads every byte of external sources. Example: `kedro stale --env public`.
    """
    from med_maml_pipeline.project_commands import show_stale

    if show_stale(project.project_path, env, params) and check:
        raise click.exceptions.Exit(1)


@cli.command(cls=_Command)
@click.option("--resume", is_flag=True, help="Go on where the run broke off, in place of repeating it.")
@click.argument("run_id")
@click.pass_context
def rerun(ctx: click.Context, resume: bool, run_id: str) -> None:
    """Repeat the run RUN_ID, or the `latest` one, or go on with it.

    The same as `kedro run --config data/09_tracking/RUN_ID.rerun.yml` (or `.resume.yml`): same selection,
    environment and parameters, inputs from outside as they were. A run that was killed outright can be gone
    on with too.

    Examples: `kedro rerun latest`, `kedro rerun --resume latest`.
    """
    from med_maml_pipeline.project_commands import command_file

    file = command_file(ctx.obj.project_path, run_id, resume=resume)
    with run.make_context("run", ["--config", str(file)], parent=ctx) as own:
        run.invoke(own)


@cli.command(cls=_Command)
@click.option(
    "--keep", type=click.IntRange(min=1), required=True, help="Newest versions to keep of each dataset."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be freed.")
@click.pass_obj
def prune(project: ProjectMetadata, keep: int, dry_run: bool) -> None:
    """Remove all but the newest versions of every dataset.

    Also removes what killed runs left half-written, never what a living one is writing. Records of runs stay:
    `kedro lineage` needs them. A run whose inputs were removed can no longer be repeated.

    Example: `kedro prune --keep 3 --dry-run`.
    """
    from med_maml_pipeline.project_commands import prune_data

    prune_data(project.project_path, keep, dry_run=dry_run)


@cli.command(cls=_Command)
@env_option
@click.option("--port", default=4141, show_default=True, help="Port on this machine.")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@click.pass_obj
def look(project: ProjectMetadata, env: str | None, port: int, browser: bool) -> None:
    """Look at the pipeline, its figures and its tables in the browser.

    Builds the page of Kedro-Viz from what the latest runs left and serves it to this machine alone, until
    Ctrl-C. No connection to elsewhere is opened; `kedro viz run` asks the package index for its version.

    Example: `kedro look --env public`.
    """
    from med_maml_pipeline.project_commands import show_pipeline

    show_pipeline(project.project_path, env, port, open_browser=browser)
