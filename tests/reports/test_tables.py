import pandas as pd

from med_maml_pipeline.reports.losses import losses
from med_maml_pipeline.reports.tables import attrition_table, audit_table, selection_table, task_table


def test_tasks_of_several_folds_count_once(reported):
    run = reported["ehr"].run
    heart = [row for row in task_table(run.tasks).rows if row[0] == "heart_disease_4site"]
    assert [(row[3], row[5]) for row in heart] == [("train", "4"), ("test", "4")]
    part = run.tasks[(run.tasks["source"] == "heart_disease_4site") & (run.tasks["meta_split"] == "test")]
    assert heart[1][6] == f"{part['n_examples'].mean():,.0f}"


def test_it_is_said_which_tables_share_columns_and_which_are_ranked(reported):
    tasks = reported["ehr"].run.tasks.assign(shared_inputs=lambda t: t["source"] != "heart_disease_4site")
    said = {row[0]: row[4] for row in task_table(tasks).rows}
    assert said.pop("heart_disease_4site") == "ranked on each support"
    assert set(said.values()) == {"same columns"}


def test_attrition_keeps_its_order_and_numbers(reported):
    table = attrition_table(reported["ehr"].run.attrition)
    assert table.rows[0] == ("heart_disease_4site", "main", "read", "1,200", "0")
    assert len(table.rows) == len(reported["ehr"].run.attrition)


def test_audit_adds_folds_up_and_shows_the_waiver(reported):
    rows = audit_table(reported["ehr"].run.audit).rows
    assert ("heart_disease_4site_site", "disjoint", "groups across meta-splits", "4", "0", "pass") in rows
    waived = [row for row in audit_table(reported["molecules"].run.audit).rows if row[-1] == "waived"]
    assert waived == [
        ("tox21_assay_published", "published", "groups across meta-splits", "1", "731", "waived")
    ]


def test_selection_shows_what_was_tried_and_chosen():
    rows = [
        {"problem": "p", "fold": fold, "family": "f", "learner": "maml", "support_size": 5, "metric": "auroc",
         "settings": settings, "value": value, "n_episodes": 8, "chosen": chosen}
        for fold in (0, 1)
        for settings, value, chosen in (
            ('{"adapt": {"steps": 5}, "meta": {"rate": 0.1}}', 0.8 + fold / 10, True),
            ('{"adapt": {"steps": 1}, "meta": {"rate": 0.1}}', 0.6, False),
        )
    ]  # fmt: skip
    (row,) = selection_table(pd.DataFrame(rows)).rows
    assert row == ("p", "f", "MAML", "5", "2", "steps 5, rate 0.1", "AUROC .850", "8")


def test_losses_count_examples_and_undefined_values(reported):
    run, board = reported["molecules"].run, reported["molecules"].scoreboard.copy()
    board.loc[(board["learner"] == "knn") & (board["metric"] == "auroc"), "value"] = float("nan")
    first, second, third = losses(board, run.tasks, run.attrition)
    assert first.startswith("Ingestion and task construction set something aside at 4 steps in 2 sources")
    assert f"cost {run.tasks['lost_examples'].sum():,} labelled examples" in second
    assert third.startswith("4 of 36 values of the primary metrics are undefined")
    assert losses(reported["molecules"].scoreboard, pd.DataFrame(), pd.DataFrame()) == (
        "All 36 values of the primary metrics are defined.",
    )
