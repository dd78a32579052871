"""Before anything runs: do the inputs exist, and which pipeline makes those that do not?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from med_maml_pipeline.errors import ConfigurationError

__all__ = ["MissingInputError", "check_inputs", "data_inputs"]


class MissingInputError(ConfigurationError):
    """A stage was asked for before its inputs exist."""


def data_inputs(pipeline: Pipeline) -> list[str]:
    """Names of the datasets that the pipeline takes from outside, parameters left out."""
    return sorted(
        name for name in pipeline.inputs() if name != "parameters" and not name.startswith("params:")
    )


def check_inputs(
    pipeline: Pipeline,
    catalog: CatalogProtocol,
    registered: Callable[[], Mapping[str, Pipeline]],
    arguments: str = "",
) -> None:
    """Passes when every input of the pipeline exists.

    Args:
        pipeline: What is about to run.
        catalog: Where its inputs should be.
        registered: Gives all pipelines of the project; called only where something is missing.
        arguments: What the advised command must repeat: environment and parameters.

    Raises:
        MissingInputError: names the missing datasets and the command that makes them.
    """
    missing = [name for name in data_inputs(pipeline) if not _exists(name, catalog)]
    if not missing:
        return
    makers = _makers(missing, catalog, registered())
    remedy = f"make them first with: kedro run --pipelines {','.join(makers)}{arguments}"
    if not makers:
        remedy = "no pipeline makes them: check the names in the catalog"
    does = "does" if len(missing) == 1 else "do"
    raise MissingInputError(f"the run needs {_listed(missing)}, which {does} not exist yet; {remedy}")


def _makers(
    missing: Iterable[str], catalog: CatalogProtocol, registered: Mapping[str, Pipeline]
) -> list[str]:
    """Pipelines that make what is missing, and what those miss in turn, in the order in which they run."""
    stages = {name: pipeline for name, pipeline in registered.items() if name != "__default__"}
    wanted, chosen = list(missing), set[str]()
    while wanted:
        dataset = wanted.pop()
        candidates = [name for name, pipeline in stages.items() if dataset in pipeline.all_outputs()]
        if not candidates:
            continue
        maker = min(candidates, key=lambda name: len(stages[name].nodes))
        if maker not in chosen:
            chosen.add(maker)
            wanted += [name for name in data_inputs(stages[maker]) if not _exists(name, catalog)]
    together = sum((stages[name] for name in chosen), Pipeline([])).nodes
    return sorted(chosen, key=lambda name: min(together.index(node) for node in stages[name].nodes))


def _exists(name: str, catalog: CatalogProtocol) -> bool:
    return name in catalog and bool(catalog.exists(name))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more datasets"
