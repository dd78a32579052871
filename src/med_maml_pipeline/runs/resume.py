"""Going on with a run that broke off: the command, written by the run itself or after it was killed."""

from __future__ import annotations

from pathlib import Path

from kedro.pipeline import Pipeline

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.runs.claims import is_held
from med_maml_pipeline.runs.commands import Selection, nodes_to_go_on_from, pins_to_go_on, write_command
from med_maml_pipeline.runs.opened import OpenProject, open_project
from med_maml_pipeline.runs.record import RunRecord

__all__ = ["ResumeError", "resume_file"]


class ResumeError(ConfigurationError):
    """There is nothing to go on with, or it is too early or too late for that."""


def resume_file(project: OpenProject, record: RunRecord) -> Path:
    """The file for ``kedro run --config`` that goes on with a run.

    A run that failed or was interrupted has left it. For a killed one it is made here from its record and
    from its command to repeat.

    Args:
        project: The project, in any environment.
        record: The run's record.

    Raises:
        ResumeError: the run is alive, has finished, or was killed before its first node.
    """
    folder = project.history.folder
    file = folder / f"{record.run_id}.resume.yml"
    if is_held(folder, record.run_id):
        raise ResumeError(f"run '{record.run_id}' is still at work; wait for it or interrupt it with Ctrl-C")
    if record.status != "running" and file.exists():
        return file
    done = f"run '{record.run_id}' has finished all its nodes; nothing is left to go on with"
    if record.status == "success":
        raise ResumeError(done)
    command = project.history.command(record.run_id)
    if command is None:
        raise ResumeError(f"run '{record.run_id}' ended before its first node; start it anew with kedro run")
    env, parameters = command.pop("env", None), command.pop("params", {})
    taken = dict(pair.split(":", 1) for pair in command.pop("load_versions", "").split(",") if pair)
    project = open_project(project.path, env, parameters)
    pipeline = project.selected(command)
    first = nodes_to_go_on_from(pipeline, _stored(record, pipeline, project), project.catalog)
    if not first:
        raise ResumeError(done)
    pins = pins_to_go_on(pipeline, first, {**taken, **record.saved})
    write_command(file, Selection(env, command, {}), parameters, pins, from_nodes=first)
    return file


def _stored(record: RunRecord, pipeline: Pipeline, project: OpenProject) -> set[str]:
    """Finished nodes whose outputs are all still there: retention may have removed some since."""
    return {
        node.name
        for node in pipeline.nodes
        if node.name in record.seconds and all(_there(name, record, project) for name in node.outputs)
    }


def _there(name: str, record: RunRecord, project: OpenProject) -> bool:
    return name not in record.saved or record.saved[name] in project.versions(name)
