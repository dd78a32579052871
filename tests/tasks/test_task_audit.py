import dataclasses

import numpy as np
import pytest
from test_task_episodes import task

from med_maml_pipeline.errors import LeakageError
from med_maml_pipeline.tasks.audit import audit_problem
from med_maml_pipeline.tasks.types import Episode, MetaSplit, Problem


def placed(name, split, groups):
    groups = np.asarray(groups)
    return dataclasses.replace(task(np.arange(len(groups)) % 2, groups, name=name), meta_split=split)


def problem(train, test, protocol="disjoint", episodes=(), names=("a", "b")):
    tasks = (placed(names[0], MetaSplit.TRAIN, train), placed(names[1], MetaSplit.TEST, test))
    return Problem("p", 3, {}, tasks, tuple(episodes), shared_inputs=True, protocol=protocol)


def episode(support, query):
    return Episode("e", "b", np.array(support), np.array(query), 1, 1, 0)


APART = {"a": {"a"}, "b": {"b"}}


def test_a_clean_problem_passes_every_check():
    rows = audit_problem(problem([0, 1], [2, 3], episodes=[episode([0], [1])]), APART)
    assert len(rows) == 10
    assert {(row.overlaps, row.verdict) for row in rows} == {(0, "pass")}


def test_shared_groups_stop_the_run_with_their_number_and_the_remedy():
    with pytest.raises(LeakageError) as caught:
        audit_problem(problem([91, 92, 93], [92, 93, 94]), APART)
    message = str(caught.value)
    assert "problem 'p', fold 3: train and test tasks share 2 groups" in message
    assert "set 'group_split'" in message
    assert "92" not in message


def test_shared_clusters_stop_the_run():
    with pytest.raises(LeakageError, match="train and test tasks share 1 clusters"):
        audit_problem(problem([0], [1]), {"a": {"x"}, "b": {"x"}})


def test_a_declared_waiver_admits_groups_and_clusters_and_says_so():
    rows = audit_problem(problem([1, 2, 3], [2, 3, 4], "published"), {"a": {"x"}, "b": {"x"}})
    waived = {row.check: row.overlaps for row in rows if row.verdict == "waived"}
    assert waived == {"train and test tasks: groups": 2, "train and test tasks: clusters": 1}
    assert {row.protocol for row in rows} == {"published"}


def test_a_waiver_admits_neither_shared_tasks_nor_leaking_episodes():
    with pytest.raises(LeakageError, match="share 1 tasks"):
        audit_problem(problem([0], [1], "published", names=("a", "a")), APART)
    leaking = [episode([0], [1]), episode([0], [2]), episode([2], [3])]
    with pytest.raises(LeakageError, match="support and query sets share 2 groups within episodes"):
        audit_problem(problem([0], [7, 7, 8, 8], "published", leaking), APART)
