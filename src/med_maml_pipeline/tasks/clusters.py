"""Clusters of near-copies: tasks that never part across meta-splits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.candidate import Candidate

__all__ = ["cluster_tasks"]


def cluster_tasks(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Cluster of every task of one problem.

    Tasks are joined when their labels are equal (also across sources), when ``cluster_pattern`` or the
    target column gives them the same cluster, or when ``clusters`` lists their labels together. A multilabel
    task is joined with the targets it holds, so with every other task of them. Being joined is transitive.

    Args:
        candidates: All tasks of one problem.

    Returns:
        Cluster name by task id: the alphabetically first name in the cluster.

    Raises:
        ConfigurationError: ``cluster_pattern`` is no regular expression with a group.
    """
    forest: dict[str, str] = {}
    for candidate in candidates:
        _join(forest, candidate.label, _own_cluster(candidate))
        for column in candidate.labels:
            target = candidate.examples.targets[column]
            _join(forest, candidate.label, target.name)
            _join(forest, target.name, target.cluster)
        for listed in candidate.spec.clusters:
            for label in listed:
                _join(forest, listed[0], label)
    return {candidate.task_id: _root(forest, candidate.label) for candidate in candidates}


def _own_cluster(candidate: Candidate) -> str:
    pattern = candidate.spec.cluster_pattern
    if pattern is not None:
        try:
            match = re.search(pattern, candidate.label)
            if match is not None:
                return match.group(1) or candidate.label
        except (re.error, IndexError) as error:
            raise ConfigurationError(
                f"task family '{candidate.spec.family}': 'cluster_pattern' must be a regular expression "
                f"with one group ({error})"
            ) from error
    return candidate.target.cluster if candidate.spec.kind == "target" else candidate.label


def _root(forest: dict[str, str], name: str) -> str:
    while forest.setdefault(name, name) != name:
        forest[name] = forest[forest[name]]
        name = forest[name]
    return name


def _join(forest: dict[str, str], first: str, second: str) -> None:
    one, two = sorted((_root(forest, first), _root(forest, second)))
    forest[two] = one
