import gc
import itertools
import json

import numpy as np
import pytest

from lissome.core.errors import SettingError, UnknownNameError
from lissome.timing.measure import Timing, measure


@pytest.fixture(autouse=True)
def in_peace(monkeypatch):
    """No turn is taken again because the machine that tests run on is busy."""
    monkeypatch.setattr("lissome.timing.measure.involuntary_switches", lambda: 0)


class Clock:
    """Time that passes only when a candidate says so."""

    def __init__(self):
        self.now = 100.0
        self.calls = []

    def __call__(self):
        return self.now

    def candidate(self, name, *milliseconds):
        """Return a call that takes the given times in turn, over and over."""
        state = {"count": 0}

        def call():
            self.calls.append(name)
            self.now += milliseconds[state["count"] % len(milliseconds)] * 1e-3
            state["count"] += 1

        return call


def test_constant_times_are_found_and_end_at_once():
    clock = Clock()
    timing = measure(
        {"slow": clock.candidate("slow", 8.0), "quick": clock.candidate("quick", 4.0)},
        baseline="slow",
        rounds=20,
        clock=clock,
    )
    assert timing.rounds == 20
    assert timing.stalled == 0
    for name, ms in (("slow", 8.0), ("quick", 4.0)):
        one = timing.latency(name)
        assert (one.min_ms, one.median_ms, one.max_ms) == pytest.approx((ms, ms, ms))
        assert one.spread == pytest.approx(0.0, abs=1e-9)
    speedup = timing.speedup("quick")
    assert (speedup.median, speedup.low, speedup.high) == pytest.approx((2.0, 2.0, 2.0))
    assert timing.speedup("slow", over="quick").median == pytest.approx(0.5)


def test_candidates_take_turns_in_an_order_that_changes_with_the_seed():
    def order(seed):
        clock = Clock()
        names = {name: clock.candidate(name, 5.0) for name in "abc"}
        measure(names, warmup=1, rounds=10, seed=seed, clock=clock)
        return clock.calls[3:]

    turns = order(0)
    rounds = [tuple(turns[place : place + 3]) for place in range(0, len(turns), 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 2
    assert order(0) == turns
    assert order(1) != turns


def test_drift_of_the_machine_does_not_reach_the_ratio():
    clock = Clock()
    drift = np.linspace(1.0, 2.0, 60)
    timing = measure(
        {"a": clock.candidate("a", *(6.0 * drift)), "b": clock.candidate("b", *(3.0 * drift))},
        baseline="a",
        warmup=1,
        rounds=50,
        clock=clock,
    )
    assert timing.latency("a").spread > 0.2
    assert timing.speedup("b").median == pytest.approx(2.0)
    assert timing.speedup("b").half_width < 1e-6


def test_a_turn_that_another_program_cut_in_two_is_taken_again(monkeypatch):
    clock, taken = Clock(), []
    monkeypatch.setattr("lissome.timing.measure.involuntary_switches", lambda: sum(taken))
    quick, cut = clock.candidate("b", 5.0), clock.candidate("b", 33.0)

    def hit_every_other_time():
        taken.append(len(taken) % 2 == 0)
        (cut if taken[-1] else quick)()

    timing = measure({"a": clock.candidate("a", 5.0), "b": hit_every_other_time}, baseline="a", warmup=1, clock=clock)
    assert timing.speedup("b").median == pytest.approx(1.0)
    assert timing.stalled == 0


def test_a_turn_that_is_always_cut_in_two_counts_in_the_end(monkeypatch):
    clock, switches = Clock(), itertools.count()
    monkeypatch.setattr("lissome.timing.measure.involuntary_switches", lambda: next(switches))
    timing = measure({"a": clock.candidate("a", 5.0)}, rounds=3, warmup=1, clock=clock)
    assert timing.latency("a").median_ms == pytest.approx(5.0)
    assert len(clock.calls) == 1 + 4 * timing.rounds


def test_stalled_rounds_are_counted_and_left_out():
    clock = Clock()
    stalls = [5.0] * 11 + [400.0]
    timing = measure(
        {"a": clock.candidate("a", 5.0), "b": clock.candidate("b", *stalls)}, baseline="a", rounds=30, clock=clock
    )
    assert timing.stalled == 2
    assert timing.rounds == 28
    assert timing.latency("b").max_ms == pytest.approx(5.0)


def test_it_goes_on_until_the_ratio_is_tight():
    clock = Clock()
    wild = np.random.default_rng(0).lognormal(0.0, 0.08, 997) * 5
    candidates = {"a": clock.candidate("a", 5.0), "b": clock.candidate("b", *wild)}
    timing = measure(candidates, baseline="a", rounds=10, seconds=1e6, clock=clock)
    assert 100 < timing.rounds < 2000
    assert timing.speedup("b").half_width <= 0.01


def test_without_baseline_the_medians_must_be_tight():
    clock = Clock()
    wild = np.random.default_rng(0).lognormal(0.0, 0.08, 997) * 5
    timing = measure({"a": clock.candidate("a", *wild)}, rounds=10, seconds=1e6, clock=clock)
    assert timing.rounds > 100
    with pytest.raises(SettingError, match="no baseline"):
        timing.speedup("a")


def test_the_time_limit_ends_it():
    clock = Clock()
    wild = np.random.default_rng(0).lognormal(0.0, 0.5, 997) * 100
    start = clock.now
    timing = measure({"a": clock.candidate("a", *wild)}, rounds=20, warmup=1, seconds=2.0, clock=clock)
    assert 2.0 <= clock.now - start < 3.0
    assert timing.rounds + timing.stalled < 40


def test_three_rounds_are_run_in_any_case():
    clock = Clock()
    timing = measure({"a": clock.candidate("a", 10_000.0)}, seconds=0.1, clock=clock)
    assert timing.rounds == 3


def test_quick_calls_are_timed_many_at_a_turn():
    clock = Clock()
    timing = measure({"a": clock.candidate("a", 0.01)}, rounds=3, warmup=2, seconds=1e-6, clock=clock)
    assert len(clock.calls) == 2 + 3 * 200  # 2 ms a turn
    assert timing.latency("a").median_ms == pytest.approx(0.01)


def test_a_clock_that_stands_still_divides_by_nothing():
    timing = measure({"a": lambda: None, "b": lambda: None}, baseline="a", rounds=3, clock=lambda: 0.0)
    assert timing.speedup("b").median == 1.0


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_collection_is_off_meanwhile_and_restored(was_on):
    seen = []
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        measure({"a": lambda: seen.append(gc.isenabled())}, rounds=3, seconds=1e-3)
        assert not any(seen)
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()


def test_an_error_of_a_candidate_comes_through_and_restores_the_collector():
    with pytest.raises(ZeroDivisionError):
        measure({"a": lambda: 1 / 0})
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("candidates", "settings", "error", "message"),
    [
        ({}, {}, SettingError, "no candidates"),
        ({"a": int}, {"rounds": 2}, SettingError, "rounds is 2"),
        ({"a": int}, {"warmup": 0}, SettingError, "warmup 0"),
        ({"a": int}, {"seconds": 0}, SettingError, "seconds 0"),
        ({"a": int}, {"seconds": float("nan")}, SettingError, "seconds nan"),
        ({"first": int}, {"baseline": "frist"}, UnknownNameError, "did you mean 'first'"),
    ],
)
def test_bad_settings_are_refused(candidates, settings, error, message):
    with pytest.raises(error, match=message):
        measure(candidates, **settings)


def test_it_prints_and_becomes_plain_values():
    samples = {"before": (4.0, 4.0, 4.0), "after": (2.0, 1.0, 2.0)}
    timing = Timing(samples_ms=samples, baseline="before", stalled=1, seed=0)
    lines = str(timing).splitlines()
    assert lines[0] == "3 rounds, 1 disturbed and left out"
    assert "2 [2, 4]" in lines[-1]
    table = json.loads(json.dumps(timing.to_dict()))
    assert table["candidates"]["after"] == {"min_ms": 1.0, "median_ms": 2.0, "max_ms": 2.0, "spread": 0.25}
    assert list(table["speedup"]) == ["after"]
    assert table["speedup"]["after"]["median"] == 2.0


def test_an_unknown_candidate_is_refused():
    timing = Timing(samples_ms={"a": (1.0,)}, baseline=None, stalled=0, seed=0)
    with pytest.raises(UnknownNameError, match="no candidate is called 'b'"):
        timing.latency("b")
