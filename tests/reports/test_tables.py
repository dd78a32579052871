import pandas as pd

from med_maml_pipeline.reports.inputs import inputs_told
from med_maml_pipeline.reports.losses import losses
from med_maml_pipeline.reports.tables import attrition_table, audit_table, selection_table, task_table


def test_tasks_of_several_folds_count_once(reported):
    run = reported["ehr"].run
    heart = [row for row in task_table("ehr", run.tasks).rows if row[0] == "heart_disease_4site"]
    assert [(row[3], row[5]) for row in heart] == [("train", "4"), ("test", "4")]
    part = run.tasks[(run.tasks["source"] == "heart_disease_4site") & (run.tasks["meta_split"] == "test")]
    assert heart[1][6] == f"{part['n_examples'].mean():,.0f}"


def test_it_is_said_which_tables_share_columns_and_which_are_ranked(reported):
    tasks = reported["ehr"].run.tasks.assign(shared_inputs=lambda t: t["source"] != "heart_disease_4site")
    said = {row[0]: row[4] for row in task_table("ehr", tasks).rows}
    assert said.pop("heart_disease_4site") == "32 columns, ranked on each support"
    assert set(said.values()) == {"the same columns"}
    same, ranked = inputs_told("ehr", tasks)
    assert same == (
        "Inputs are shared in the problems icu_demo_yaib_outcome (1 table), icu_demo_yaib_outcome_value "
        "(1 table) and uci_clinical_table (1 table): the same columns, centred and scaled on meta-training "
        "examples."
    )
    assert ranked.startswith(
        "Inputs are made independent of the width in the problem heart_disease_4site_site (1 table), whose "
        "tables differ in their columns: networks read 32 inputs, the columns most associated with the label"
    )


def test_pictures_share_their_size_and_samples_their_genes(reported):
    tasks = reported["imaging"].run.tasks
    (pictures,) = inputs_told("imaging", tasks)
    assert ": pictures of the same size and number of channels; networks read the pixels" in pictures
    assert {row[4] for row in task_table("imaging", tasks).rows} == {"pictures of one size"}
    tasks = reported["expression"].run.tasks
    assert ": the same genes, centred" in inputs_told("expression", tasks)[0]
    (apart,) = inputs_told("expression", tasks.assign(shared_inputs=False))
    assert "networks read 32 inputs, the genes most associated with the label on each support" in apart
    assert inputs_told("expression", tasks.iloc[:0]) == ()


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
        {"problem": "p", "fold": fold, "family": "f", "learner": "maml", "seed": 0, "support_size": 5,
         "metric": "auroc", "settings": settings, "value": value, "n_episodes": 8, "chosen": chosen}
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
    assert third.startswith("4 of 44 values of the primary metrics are undefined")
    nothing = losses(board, run.tasks, run.attrition.assign(lost=0))[0]
    assert nothing == "Ingestion and task construction set nothing aside."
    assert losses(reported["molecules"].scoreboard, pd.DataFrame(), pd.DataFrame()) == (
        "All 44 values of the primary metrics are defined.",
    )
