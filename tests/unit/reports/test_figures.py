import pytest

from lissome.reports.figures import anything, at, count, decimal, factor, milliseconds, number_at, seconds, signed


@pytest.mark.parametrize("write", [count, factor, milliseconds, seconds])
def test_what_was_not_measured_is_a_dash(write):
    assert write(None) == "–"
    assert decimal(None, 2, "ms") == signed(None, 1, "%") == "–"


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), [1]])
def test_only_finite_numbers_are_numbers(value):
    assert number_at({"a": value}, "a") is None
    assert number_at({"a": 1.5}, "a") == 1.5


def test_a_path_through_what_is_no_table_leads_nowhere():
    assert at({"a": [1]}, "a", "b") is None
    assert at(None, "a") is None


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (0.9999, "1.000"), (9.876, "9.88"), (98.76, "98.8"), (987.6, "988")]
)
def test_latencies_keep_three_digits(value, text):
    assert milliseconds(value) == text


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert signed(-0.001, 2, "points") == "0.00 points"
    assert signed(1.0, 1, "%") == "+1.0 %"


@pytest.mark.parametrize(("value", "text"), [(-1e-07, "−1e−07"), (None, "–"), (False, "no"), (12345, "12,345")])
def test_any_measurement_is_text(value, text):
    assert anything(value) == text
