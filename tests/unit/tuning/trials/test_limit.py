import pytest

from lissome.core.errors import SettingError
from lissome.tuning.trials.limit import Limit


def test_only_limits_that_are_set_can_be_missed():
    figures = {"latency_ms": 5.0, "drop": 0.03, "stored_kib": 300.0}
    assert Limit(max_drop=None).missed(**figures) == {}
    assert Limit(max_drop=0.01, max_ms=4, max_kib=200).missed(**figures) == pytest.approx(
        {"max_drop": 2.0, "max_ms": 0.25, "max_kib": 0.5}
    )
    assert Limit(max_drop=0.0).missed(**figures) == pytest.approx({"max_drop": 3.0})
    assert Limit(max_drop=0.03, max_ms=5, max_kib=300).missed(**figures) == {}


def test_the_goal_follows_from_the_limits():
    assert Limit().aim == "latency"
    assert Limit(max_drop=None, max_ms=3).aim == "accuracy"
    assert Limit(goal="size").value({"latency_ms": 1.0, "drop": 0.0, "stored_kib": 7.0}) == 7.0


@pytest.mark.parametrize(
    "settings", [{"max_drop": -0.1}, {"max_drop": 1}, {"max_ms": 0}, {"max_kib": -1}, {"goal": "x"}]
)
def test_values_out_of_range_are_refused(settings):
    with pytest.raises(SettingError):
        Limit(**settings)
