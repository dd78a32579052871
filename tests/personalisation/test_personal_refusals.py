"""What a user's tables may get wrong, each refused in one sentence that names the place and the remedy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from own_cases import Store, rows, trained

from med_maml_pipeline.errors import ConfigurationError, DataError

Change = Callable[[pd.DataFrame], pd.DataFrame]


def _cell(column: str, row: int, value: object) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[row, column] = value
        return frame

    return change


BAD_SUPPORT: dict[str, tuple[Change, str]] = {
    "missing column": (
        lambda frame: frame.drop(columns="creatinine"),
        "support table: missing columns: 'creatinine'; expected the 4 columns that the checkpoint reads",
    ),
    "missing category": (
        lambda frame: frame.drop(columns="sex"),
        "support table: missing columns: 'sex=f', 'sex=m'; expected the 5 columns",
    ),
    "extra column": (
        lambda frame: frame.assign(weight=70),
        "support table: unexpected columns: 'weight'; expected the 4 columns that the checkpoint reads",
    ),
    "both": (
        lambda frame: frame.rename(columns={"age": "years"}),
        "missing columns: 'age'; unexpected columns: 'years'",
    ),
    "no identifiers": (
        lambda frame: frame.drop(columns="id"),
        "there is no column 'id'; expected 'id', 'label' beside the inputs; .* personalisation.id_column",
    ),
    "no labels": (
        lambda frame: frame.drop(columns="label"),
        "there is no column 'label'",
    ),
    "a blank label": (
        _cell("label", 3, ""),
        "1 labels are missing, first in row 4; expected a label in every row; move these rows to the query",
    ),
    "one class": (
        lambda frame: frame.assign(label=1),
        "all labels are the same; expected at least two classes",
    ),
    "labels that are measurements": (
        lambda frame: frame.assign(label=np.arange(len(frame)) / 7),
        "there are 26 different labels; .* --params personalisation.target_type=regression",
    ),
    "a text cell": (
        _cell("creatinine", 2, "pending"),
        "1 cells are not numbers, in 1 columns: 'creatinine'; the first in row 3; expected finite numbers",
    ),
    "an infinite cell": (_cell("age", 0, "inf"), "1 cells are not numbers, in 1 columns: 'age'"),
    "a negative count": (
        _cell("visits", 5, "-1"),
        "1 cells of column 'visits' are out of range, first in row 6; expected counts from 0",
    ),
    "an identifier twice": (
        _cell("id", 4, "case-001"),
        "1 identifiers occur more than once, first again in row 5; expected one row per case",
    ),
    "an identifier blank": (_cell("id", 4, " "), "1 identifiers are blank, first in row 5"),
}


@pytest.mark.parametrize("name", BAD_SUPPORT)
def test_support(ask, name):
    change, sentence = BAD_SUPPORT[name]
    own = rows(40, seed=7)
    support = change(own.iloc[:26])
    with pytest.raises(DataError, match=sentence) as caught:
        ask(pd.concat([support, own.iloc[26:]])[list(support.columns)], query=_query(own), n_support=26)
    assert str(caught.value).startswith("source 'personalisation', support table: ")
    for value in ("pending", "case-"):
        assert value not in str(caught.value)


BAD_QUERY: dict[str, tuple[Change, str]] = {
    "missing column": (lambda frame: frame.drop(columns="age"), "query table: missing columns: 'age'"),
    "extra column": (lambda frame: frame.assign(x=1), "query table: unexpected columns: 'x'"),
    "a label": (lambda frame: frame.assign(label=1), "query table: unexpected columns: 'label'"),
    "no row": (lambda frame: frame.iloc[:0], "query table: the table has no rows"),
    "a case of the support": (
        _cell("id", 30, "case-002"),
        "query table: 1 identifiers are in the support table too; .* remove them from one of the two",
    ),
    "a text cell": (
        _cell("age", 28, "old"),
        "query table: 1 cells are not numbers, in 1 columns: 'age'; the first in row 3",
    ),
    "an indicator of its own that is no indicator": (
        lambda frame: frame.drop(columns="sex").assign(**{"sex=f": 2, "sex=m": 0}),
        "query table: 14 cells of column 'sex=f' are out of range, first in row 1; expected 0, 1 or blank",
    ),
}


@pytest.mark.parametrize("name", BAD_QUERY)
def test_query(ask, name):
    change, sentence = BAD_QUERY[name]
    own = rows(40, seed=7)
    with pytest.raises(DataError, match=sentence):
        ask(own, query=change(_query(own)), n_support=26)


def _query(own: pd.DataFrame) -> pd.DataFrame:
    return own.iloc[26:].drop(columns="label")


def test_a_file_that_is_no_table(ask, own, tmp_path):
    from med_maml_pipeline.personalisation import PersonalisationSettings, personalise

    file = tmp_path / "support.xlsx"
    file.write_text("nothing")
    with pytest.raises(DataError, match="support table: the file's suffix names no known table format"):
        personalise(
            trained("maml"), file, file, PersonalisationSettings(), modality="ehr", lane="ehr.maml", seed=0
        )


def _altered(name: str, content: object) -> Store:
    return Store({**trained("maml").files, name: content})


DESCRIPTION = "p/0/inputs.json"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 2}, "it describes its inputs in format 2; expected format 1; meta-train again"),
        ({"format": "x"}, "it describes its inputs in an unknown format; expected format 1"),
        ({"schemas": []}, "the description of its inputs has 1 faults; meta-train again"),
        (
            {"modality": "molecules"},
            "it was trained on molecules; expected ehr; choose a lane of molecules with --namespaces",
        ),
    ],
)
def test_a_checkpoint_of_another_version_or_modality(ask, own, change, sentence):
    store = _altered(DESCRIPTION, {**trained("maml").files[DESCRIPTION], **change})
    with pytest.raises(DataError, match=f"^source 'checkpoint', problem 'p', fold 0: {sentence}"):
        ask(own, "maml", store=store)


def test_a_checkpoint_that_describes_nothing(ask, own):
    store = _altered("", None)
    del store.files[DESCRIPTION]
    with pytest.raises(DataError, match="it does not describe its inputs; expected 'p/0/inputs.json'"):
        ask(own, "maml", store=store)


def test_a_checkpoint_of_another_schema(ask, own):
    schema = {**trained("maml").files[DESCRIPTION]["schemas"][0], "features": ["a", "b", "c", "d", "e"]}
    store = _altered(DESCRIPTION, {**trained("maml").files[DESCRIPTION], "schemas": [schema]})
    with pytest.raises(DataError, match="missing columns: 'a', 'b', 'c', 'd', 'e'; unexpected columns: "):
        ask(own, "maml", store=store)


def test_tables_that_were_prepared_in_different_ways(ask, own):
    schema = trained("maml").files[DESCRIPTION]["schemas"][0]
    other = {**schema, "tables": ["t/main"], "preprocessing": {"icd9": ["sex"]}}
    store = _altered(DESCRIPTION, {**trained("maml").files[DESCRIPTION], "schemas": [schema, other]})
    with pytest.raises(ConfigurationError, match=r"in 2 different ways; .* one of: s/main, t/main$"):
        ask(own, "maml", store=store)
    with pytest.raises(ConfigurationError, match="'u/main' is not a table of meta-training; known are"):
        ask(own, "maml", store=store, table="u/main")
    pd.testing.assert_frame_equal(ask(own, "maml", store=store, table="s/main"), ask(own, "maml"))
