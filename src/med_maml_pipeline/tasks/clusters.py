"""Clusters of near-copies: tasks that never part across meta-splits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.candidate import Candidate

__all__ = ["cluster_tasks"]


def cluster_tasks(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Cluster of every task of one problem.

    Tasks are joined when their labels are equal (also across sources), when ``cluster_pattern`` or the
    target column gives them the same cluster, or when ``clusters`` lists their labels together. A multilabel
    task goes with all its labels, so with every other task of them. Being joined is transitive.

    Args:
        candidates: All tasks of one problem.

    Returns:
        Cluster name by task id: the alphabetically first name in the cluster.

    Raises:
        ConfigurationError: ``cluster_pattern`` is no regular expression with a group.
    """
    forest: dict[str, str] = {}
    for candidate in candidates:
        for label, cluster in _own_clusters(candidate):
            _join(forest, candidate.label, label)
            _join(forest, label, cluster)
        for listed in candidate.spec.clusters:
            for label in listed:
                _join(forest, listed[0], label)
    return {candidate.task_id: _root(forest, candidate.label) for candidate in candidates}


def _own_clusters(candidate: Candidate) -> list[tuple[str, str]]:
    """Label and cluster of a task, or of each label that a multilabel task holds."""
    targets = [candidate.examples.targets[column] for column in candidate.labels]
    own = candidate.target.cluster if candidate.spec.kind == "target" else candidate.label
    pairs = [(target.name, target.cluster) for target in targets] or [(candidate.label, own)]
    return [(label, _by_pattern(candidate.spec, label) or cluster) for label, cluster in pairs]


def _by_pattern(spec: TaskFamilySpec, label: str) -> str | None:
    """What ``cluster_pattern`` finds in a label: its first group, or the label where that is empty."""
    if spec.cluster_pattern is None:
        return None
    try:
        match = re.search(spec.cluster_pattern, label)
        return None if match is None else match.group(1) or label
    except (re.error, IndexError) as error:
        raise ConfigurationError(
            f"task family '{spec.family}': 'cluster_pattern' must be a regular expression "
            f"with one group ({error})"
        ) from error


def _root(forest: dict[str, str], name: str) -> str:
    while forest.setdefault(name, name) != name:
        forest[name] = forest[forest[name]]
        name = forest[name]
    return name


def _join(forest: dict[str, str], first: str, second: str) -> None:
    one, two = sorted((_root(forest, first), _root(forest, second)))
    forest[two] = one
