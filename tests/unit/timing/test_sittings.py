import numpy as np
import pytest

from lissome.core.errors import UnknownNameError
from lissome.timing import sittings as module
from lissome.timing.measure import Timing
from lissome.timing.sittings import measure_sittings

IMAGE = np.zeros((1, 3, 4, 4), np.float32)


class Session:
    def __init__(self, name, log):
        self.name = name
        log.append(name)

    def run(self, *images):
        return images


def test_each_sitting_opens_every_session_anew_in_an_order_of_its_own():
    log = []
    openers = {name: lambda name=name: Session(name, log) for name in ("a", "b", "c")}
    timing = measure_sittings(openers, IMAGE, baseline="a", sittings=7, rounds=3, seconds=0.07)
    orders = [tuple(log[place : place + 3]) for place in range(0, len(log), 3)]
    assert len(orders) == 7
    assert all(sorted(one) == ["a", "b", "c"] for one in orders)
    assert len(set(orders)) > 1
    assert len(timing.sittings) == 7
    assert sum(timing.sittings) == timing.rounds
    assert timing.to_dict()["sittings"] == 7


@pytest.mark.usefixtures("a_place_in_memory_is_worth_more_than_a_round")
def test_the_chance_of_where_a_session_lies_is_inside_of_the_interval():
    openers = {"same": object, "again": object}
    covered = 0
    for seed in range(40):
        speedup = measure_sittings(openers, IMAGE, baseline="same", seed=seed).speedup("again")
        covered += speedup.low <= 1.0 <= speedup.high
    assert covered >= 36


def test_within_one_sitting_the_interval_is_tight_around_that_chance():
    generator = np.random.default_rng(0)
    rounds = 1.02 * generator.normal(1.0, 0.005, 50)
    whole = Timing(samples_ms={"a": (1.0,) * 50, "b": tuple(rounds)}, baseline="a", stalled=0, seed=0)
    assert whole.speedup("b").high < 1
    parts = Timing(samples_ms=whole.samples_ms, baseline="a", stalled=0, seed=0, sittings=(20, 30))
    assert parts.ratios("b").tolist() == pytest.approx([np.median(1 / rounds[:20]), np.median(1 / rounds[20:])])


def test_a_baseline_that_is_no_candidate_is_refused():
    with pytest.raises(UnknownNameError):
        measure_sittings({"a": lambda: Session("a", [])}, IMAGE, baseline="b")


@pytest.fixture
def a_place_in_memory_is_worth_more_than_a_round(monkeypatch):
    def measured(sessions, *_, baseline, seed, **__):
        generator = np.random.default_rng((7, seed))
        samples = {name: tuple(generator.normal(1.0, 0.015) * generator.normal(1.0, 0.003, 20)) for name in sessions}
        return Timing(samples_ms=samples, baseline=baseline, stalled=0, seed=seed)

    monkeypatch.setattr(module, "measure_sessions", measured)
