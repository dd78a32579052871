import math

import pytest

from med_maml_pipeline.metrics.scores import METRICS
from med_maml_pipeline.reports.wording import (
    DEFINITIONS,
    METRIC_LABELS,
    counted,
    difference_label,
    estimate,
    modality_label,
    number,
    plain,
    quantity,
    signed,
    support_label,
    whole,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7234, ".723"),
        (0.99996, "1.000"),
        (-0.0121, "−.012"),
        (-0.0001, ".000"),
        (0.0, ".000"),
        (1.2043, "1.204"),
        (-12.5, "−12.500"),
        (NAN, "undefined"),
        (math.inf, "undefined"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_signed_marks_what_is_above_zero_only():
    assert [signed(value) for value in (0.0121, -0.0121, 0.0001, NAN)] == [
        "+.012",
        "−.012",
        ".000",
        "undefined",
    ]


def test_estimate_leaves_a_missing_interval_out():
    assert estimate(0.723, 0.701, 0.745) == ".723 [.701, .745]"
    assert estimate(0.03, -0.01, 0.07, difference=True) == "+.030 [−.010, +.070]"
    assert estimate(0.723, NAN, NAN) == ".723"
    assert estimate(NAN, NAN, NAN) == "undefined"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.004123, "0.00412"), (12.345, "12.3"), (1204.4, "1,204"), (NAN, "–")]
)
def test_quantity_keeps_three_figures(value, text):
    assert quantity(value) == text


def test_labels_of_supports_modalities_and_differences():
    assert support_label(5, True, 5) == "5 per class, 5-way"
    assert support_label(5, True, 2) == support_label(5, True) == "5 per class"
    assert support_label(50, False, None) == "50 in all"
    assert [modality_label(name) for name in ("ehr", "imaging", "expression", "notes")] == [
        "Health records (ehr)",
        "Pictures (imaging)",
        "Gene expression",
        "notes",
    ]
    assert difference_label("balanced_accuracy") == "difference in balanced accuracy"
    assert difference_label("auroc") == "difference in AUROC"
    assert (counted(1, "step"), counted(1200, "step")) == ("1 step", "1,200 steps")


def test_whole_and_plain():
    assert (whole(12345.0), whole(NAN)) == ("12,345", "–")
    assert plain('<a href="https://x">') == '&lt;a href="https://x"&gt;'


def test_every_metric_of_the_scoreboard_is_named_and_defined():
    assert set(METRICS) == set(METRIC_LABELS) == set(DEFINITIONS)
