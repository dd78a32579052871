"""Labels of a support table as classes or values."""

from __future__ import annotations

import pandas as pd
import pytest

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.personalisation.labels import Labels, read_labels
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import TargetType


def _read(
    *labels: str, asked: str = "class", positive: object = None, shared_meaning: bool = False
) -> Labels:
    column = pd.Series(labels, index=range(1, len(labels) + 1), dtype=object)
    return read_labels(
        column,
        asked,
        positive,
        shared_meaning=shared_meaning,
        place=Place("personalisation", "support table"),
    )


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("1", "0", "1"), ("0", "1")),
        (("b", "a", "b", "c"), ("a", "b", "c")),
        (("10", "9", "2"), ("2", "9", "10")),  # by number, not by letter
        (("10", "9", "x"), ("10", "9", "x")),
    ],
)
def test_classes_are_in_order_and_keep_their_names(labels, classes):
    read = _read(*labels)
    assert read.classes == classes
    assert [classes[int(index)] for index in read.y] == list(labels)
    assert read.target_type == (TargetType.BINARY if len(classes) == 2 else TargetType.MULTICLASS)


@pytest.mark.parametrize("positive", ["ill", " ill "])
def test_the_positive_label_is_class_one(positive):
    assert _read("ill", "well", "ill", positive=positive).classes == ("well", "ill")
    assert _read("ill", "well", positive="well", shared_meaning=True).classes == ("ill", "well")


def test_a_number_names_the_positive_label_too():
    assert _read("1", "2", positive=1, shared_meaning=True).classes == ("2", "1")
    assert _read("1", "2", positive=1.0).classes == ("2", "1")


@pytest.mark.parametrize(
    ("labels", "arguments", "sentence"),
    [
        (("ill", "well"), {"shared_meaning": True}, "which it is; expected 0 and 1, or the name of the pos"),
        (("1", "2"), {"shared_meaning": True}, "say --params personalisation.positive=LABEL"),
        (("ill", "well"), {"positive": "sick"}, "personalisation.positive is not one of the labels"),
        (("a", "b", "c"), {"positive": "a"}, "is given, but there are 3 classes"),
        (("1.5", "x"), {"asked": "regression"}, "1 labels are not numbers, first in row 2"),
        (("2", "2"), {"asked": "regression"}, "all labels are the same; expected values that differ"),
    ],
)
def test_refusals_show_no_label(labels, arguments, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        _read(*labels, **arguments)
    assert "sick" not in str(caught.value)
    assert "well" not in str(caught.value)


def test_zero_and_one_need_no_name_where_meaning_is_shared():
    assert _read("1", "0", shared_meaning=True).classes == ("0", "1")
    assert _read("a", "b", "c", shared_meaning=True).target_type is TargetType.MULTICLASS


def test_values():
    read = _read("1.5", "-2", asked="regression")
    assert read.y.tolist() == [1.5, -2.0]
    assert (read.target_type, read.classes) == (TargetType.REGRESSION, ())


def test_support_size_counts_as_episodes_do():
    read = _read("a", "a", "a", "b", "b")
    assert read.size(per_class=True) == 2
    assert read.size(per_class=False) == 5
    assert _read("1", "2", "3", asked="regression").size(per_class=True) == 3
