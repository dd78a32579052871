import numpy as np
import pytest
from task_fabric import family, panel, table

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.families import find_candidates
from med_maml_pipeline.tasks.types import TargetType


def labels(examples, spec):
    return [c.label for c in find_candidates({e.key: e for e in examples}, {"clinic": (spec,)})]


def test_one_task_per_target_filtered_by_patterns():
    assays = panel(6, 3, labels=["NR-AR", "NR-ER", "SR-p53"])
    assert labels([assays], family()) == ["NR-AR", "NR-ER", "SR-p53"]
    assert labels([assays], family(include=("NR-*",), exclude=("*ER",))) == ["NR-AR"]


def test_rows_are_those_with_a_label():
    y = [[0, np.nan], [np.nan, 1], [1, 0]]
    first, second = find_candidates({"clinic/main": table(y)}, {"clinic": (family(),)})
    assert first.rows().tolist() == [0, 2]
    assert second.rows().tolist() == [1, 2]
    assert first.task_id == "clinic/main/label/label_0"
    assert first.problem == "clinic_label"


def test_one_task_per_stratum_skips_rows_without_one():
    sites = table([[0], [1], [1], [0]], strata=["east", "west", None, "east"])
    spec = family(kind="stratum", family="site", target="label_0")
    east, west = find_candidates({sites.key: sites}, {"clinic": (spec,)})
    assert (east.label, east.rows().tolist()) == ("east", [0, 3])
    assert (west.label, west.rows().tolist()) == ("west", [1])


def test_one_task_per_table_and_a_lone_table_is_called_by_its_source():
    spec = family(kind="table", family="table")
    assert labels([panel(4, 1, name="colic"), panel(4, 1, name="lymph")], spec) == ["colic", "lymph"]
    assert labels([panel(4, 1)], spec) == ["clinic"]


@pytest.mark.parametrize(
    ("examples", "spec", "message"),
    [
        (panel(4, 1, source="other"), family(), "source 'clinic' declares task families but has no examples"),
        (panel(4, 2), family(include=("absent_*",)), "leave none of its 2 labels"),
        (panel(4, 2), family(clusters=(("label_0", "label_9"),)), r"do not exist: \['label_9'\]"),
        (panel(4, 1), family(kind="stratum", target="label_0"), "no table has both the target"),
        (panel(4, 2), family(kind="table"), "table 'main' has 2 targets"),
    ],
)
def test_what_is_not_there_is_said(examples, spec, message):
    with pytest.raises(ConfigurationError, match=message):
        find_candidates({examples.key: examples}, {"clinic": (spec,)})


def test_enriched_supports_need_binary_targets():
    grades = table([[0], [1], [2]], types=[TargetType.MULTICLASS])
    with pytest.raises(ConfigurationError, match="'enriched' needs binary"):
        find_candidates({grades.key: grades}, {"clinic": (family(support={"rule": "enriched"}),)})


def test_two_families_of_one_name_clash_within_a_problem_only():
    examples = {"clinic/main": panel(4, 1)}
    with pytest.raises(ConfigurationError, match="two families named 'label'"):
        find_candidates(examples, {"clinic": (family(), family(shared_meaning=True))})
    apart = find_candidates(examples, {"clinic": (family(), family(problem="published"))})
    assert {c.problem for c in apart} == {"clinic_label", "published"}
