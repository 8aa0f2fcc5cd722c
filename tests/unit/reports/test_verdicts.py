import pytest

from lissome.reports.verdicts import accuracy_tone, ratio_of, speed_verdict, standard_error


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        ({"ratio": 1.9, "low": 1.8, "high": 2.0}, "faster"),
        ({"ratio": 1.9, "low": 1.0, "high": 2.0}, "not faster"),
        ({"ratio": 1.001, "low": 1.0005, "high": 1.002}, "not faster"),
        ({"ratio": 0.99, "low": 0.97, "high": 1.0}, "not faster"),
        ({"ratio": 0.9, "low": 0.8, "high": 0.99}, "slower"),
        ({"ratio": 2.0}, "faster"),
        ({"ratio": float("nan")}, None),
        (None, None),
    ],
)
def test_a_gain_lies_above_one_with_its_whole_interval(entry, verdict):
    assert speed_verdict(entry) == verdict


def test_the_error_of_a_difference_adds_both_variances():
    assert standard_error((0.5, 0.5), 100) == pytest.approx(100 * (2 * 0.25 / 100) ** 0.5)
    assert standard_error((1.0,), 100) == 0


@pytest.mark.parametrize(("shares", "images"), [((0.5, None), 10), ((0.5,), None), ((0.5,), 0), ((1.5,), 10)])
def test_there_is_no_error_without_figures(shares, images):
    assert standard_error(shares, images) is None


def test_a_ratio_needs_both_figures():
    assert ratio_of(4, 2) == 2
    assert ratio_of(4, 0) is ratio_of(None, 2) is ratio_of(0, 2) is None


@pytest.mark.parametrize(("change", "tone"), [(0.5, "good"), (-0.5, "bad"), (0.004, ""), (None, "")])
def test_a_change_that_is_not_seen_has_no_tone(change, tone):
    assert accuracy_tone(change) == tone
