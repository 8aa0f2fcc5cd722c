import numpy as np
import pytest

from lissome.timing.statistics import Interval, median_interval, order_interval, stalled_rounds


def test_the_interval_covers_the_true_median_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        interval = median_interval(generator.lognormal(0.0, 0.3, 40), generator)
        covered += interval.low <= 1.0 <= interval.high
    assert 0.90 <= covered / 200 <= 1.0


def test_more_rounds_make_it_narrower():
    generator = np.random.default_rng(0)
    few, many = (median_interval(generator.normal(2.0, 0.1, count), generator) for count in (10, 1000))
    assert many.half_width < few.half_width / 3
    assert many.median == pytest.approx(2.0, abs=0.02)


def test_the_same_generator_gives_the_same_interval():
    values = np.random.default_rng(0).random(20)
    one, two = (median_interval(values, np.random.default_rng(5)) for _ in range(2))
    assert one == two
    assert one.low <= one.median <= one.high


def test_an_interval_prints_and_becomes_plain_values():
    interval = Interval(1.25, 1.0, 1.5)
    assert str(interval) == "1.25 [1, 1.5]"
    assert interval.half_width == 0.2
    assert interval.to_dict() == {"median": 1.25, "low": 1.0, "high": 1.5}
    assert Interval(0.0, 0.0, 0.0).half_width == float("inf")


@pytest.mark.parametrize("count", [6, 7, 8, 9, 12, 20])
def test_an_interval_of_a_few_values_covers_the_true_median_in_95_percent_at_least(count):
    generator = np.random.default_rng(count)
    intervals = [order_interval(generator.lognormal(0.0, 0.3, count)) for _ in range(2000)]
    assert np.mean([one.low <= 1.0 <= one.high for one in intervals]) >= 0.95 - 0.01


def test_more_values_leave_more_of_them_out():
    assert order_interval(np.arange(5.0)) == Interval(2.0, 0.0, 4.0)
    assert order_interval(np.arange(8.0)[::-1]) == Interval(3.5, 0.0, 7.0)
    assert order_interval(np.arange(20.0)) == Interval(9.5, 5.0, 14.0)


def test_a_stall_of_one_candidate_disturbs_the_round():
    times = np.ones((9, 2))
    times[4, 1] = 3.5
    times[6, 0] = 2.9
    assert np.flatnonzero(stalled_rounds(times)).tolist() == [4]


def test_what_happens_every_other_round_is_no_stall():
    times = np.ones((10, 2))
    times[:3, 0] = 10
    times[7:, 1] = 10
    assert not stalled_rounds(times).any()
