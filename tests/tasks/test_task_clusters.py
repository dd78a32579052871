import dataclasses

import pytest
from task_fabric import family, panel

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.clusters import cluster_tasks
from med_maml_pipeline.tasks.families import find_candidates


def clusters(tables, specs):
    found = cluster_tasks(find_candidates({t.key: t for t in tables}, specs))
    return {task_id.split("/", 3)[-1]: cluster for task_id, cluster in found.items()}


def test_pattern_joins_variants_and_leaves_the_rest_alone():
    assays = panel(4, 4, labels=["CellLoss_24h_dn", "CellLoss_72h_up", "Mitosis_24h_up", "plain"])
    found = clusters([assays], {"clinic": (family(cluster_pattern=r"^(.+?)_\d+h_"),)})
    assert found["CellLoss_24h_dn"] == found["CellLoss_72h_up"]
    assert len(set(found.values())) == 3


def test_lists_and_patterns_are_joined_transitively():
    assays = panel(4, 5, labels=["a_1", "a_2", "b_1", "b_2", "c"])
    spec = family(cluster_pattern=r"^(.)_", clusters=(("a_2", "b_1"), ("b_2", "c")))
    assert len(set(clusters([assays], {"clinic": (spec,)}).values())) == 1


def test_cluster_of_the_target_column_counts():
    assays = panel(4, 2, labels=["up", "down"])
    joined = tuple(dataclasses.replace(target, cluster="assay") for target in assays.targets)
    found = clusters([dataclasses.replace(assays, targets=joined)], {"clinic": (family(),)})
    assert found["up"] == found["down"]


def test_equal_labels_of_two_sources_are_one_cluster():
    here, there = panel(4, 2, labels=["NR-AR", "x"]), panel(4, 2, source="other", labels=["NR-AR", "y"])
    tasks = find_candidates(
        {here.key: here, there.key: there},
        {"clinic": (family(problem="tox"),), "other": (family(problem="tox"),)},
    )
    found = cluster_tasks(tasks)
    assert found["clinic/main/label/NR-AR"] == found["other/main/label/NR-AR"]
    assert found["clinic/main/label/x"] != found["other/main/label/y"]


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_needs_a_group(pattern):
    with pytest.raises(ConfigurationError, match="regular expression with one group"):
        clusters([panel(4, 1, labels=["no group here"])], {"clinic": (family(cluster_pattern=pattern),)})
