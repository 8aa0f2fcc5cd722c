import time

import pytest

from lissome.core.errors import EngineError
from lissome.tuning.candidate import Candidate
from lissome.tuning.race import race


class Sleeper:
    def __init__(self, milliseconds):
        self.seconds, self.runs = milliseconds / 1000, 0

    def run(self, *images):
        self.runs += 1
        time.sleep(self.seconds)
        return ()


def test_the_quickest_is_chosen_and_the_slow_are_not_timed_twice():
    sleepers = {"one": Sleeper(6), "two": Sleeper(2), "three": Sleeper(30)}
    candidates = {name: Candidate(engine=name, precision="float32") for name in sleepers}
    timed = race(candidates, sleepers.__getitem__, (), seconds=0.4, seed=0)
    assert [name for name, one in timed.items() if one.chosen] == ["two"]
    assert timed["two"].latency.median_ms < timed["one"].latency.median_ms < timed["three"].latency.median_ms
    assert sleepers["three"].runs < 20


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(EngineError, match="no engine runs this network within the limits"):
        race({}, Sleeper, (), seconds=1, seed=0)


def test_a_label_tells_candidates_apart():
    one = Candidate(engine="ncnn", precision="float32", options={"winograd": False})
    assert one.label == "ncnn float32, winograd False"
    assert Candidate(engine="ncnn", precision="int8", variant="quantized").label == "ncnn int8, quantized"
