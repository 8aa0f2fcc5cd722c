"""Lines in order, sorted, cut, folded by module; the sums stay."""

import csv
import re

import pytest

from lissome.core.errors import SettingError, UnknownNameError
from lissome.models.create import create
from lissome.profiling.listing import listing
from lissome.profiling.profile import profile


@pytest.fixture(scope="module")
def cost():
    return profile(create("resnet20", seed=0), (1, 3, 32, 32), device="raspberry_pi_4")


def lines_of(cost, **settings):
    return listing(cost.rows, cost.prediction, cost.convention, **settings)


def sums(lines):
    return {
        name: pytest.approx(sum(one.figures[name] for one in lines))
        for name in ("params", "macs", "flops", "bytes_moved", "ms")
    }


@pytest.mark.parametrize("settings", [{}, {"top": 3}, {"depth": 1}, {"depth": 2, "top": 2, "sort": "macs"}])
def test_however_it_is_listed_the_sums_are_the_networks(cost, settings):
    assert sums(lines_of(cost, **settings)) == {
        **{name: getattr(cost, name) for name in ("params", "macs", "flops", "bytes_moved")},
        "ms": cost.prediction.total_ms,
    }


def test_each_call_is_a_line_in_order(cost):
    assert [one.name for one in lines_of(cost)] == [row.layer for row in cost.rows]


@pytest.mark.parametrize("figure", ["macs", "bytes_moved", "ms", "flops_per_byte"])
def test_sorted_the_greatest_come_first(cost, figure):
    values = [one.figures[figure] for one in lines_of(cost, sort=figure)]
    assert values == sorted(values, reverse=True)


def test_the_rest_is_one_line(cost):
    lines = lines_of(cost, sort="macs", top=5)
    assert len(lines) == 6
    assert lines[-1].name == f"{len(cost.rows) - 5} more"


def test_modules_of_a_depth_are_one_line_with_the_functions_called_in_them(cost):
    lines = {one.name: one for one in lines_of(cost, depth=2)}
    assert list(lines)[3:6] == ["stages.stage1", "stages.stage2", "stages.stage3"]
    calls = [row for row in cost.rows if row.scope.startswith("stages.stage1")]
    assert lines["stages.stage1"].kind == f"{len(calls)} calls"
    assert "add" in [row.layer for row in calls]
    assert lines["stages.stage1"].figures["macs"] == sum(row.macs for row in calls)
    assert lines["classifier"].kind == "Linear"


def test_the_table_has_the_time_and_its_share(cost):
    text = cost.table(depth=1)
    assert re.search(r"bound by +ms +share", text)
    assert re.search(r"total .* 100\.0%", text)


def test_measured_durations_stand_beside_the_figures_each_call_with_its_own(cost):
    calls = [(row.layer, float(number)) for number, row in enumerate(cost.rows)]
    timed = cost.with_durations([*calls[:-1], ("conv of another network", 7.0)])
    assert [one.figures["measured_ms"] for one in lines_of(timed)] == [*(ms for _, ms in calls[:-1]), 0.0]
    text = timed.table(sort="measured_ms", top=1)
    share = (len(calls) - 2) / sum(ms for _, ms in calls[:-1])
    assert re.search(r"measured ms +duration %", text)
    assert f"{share:.1%}" in text
    assert "measured_ms" not in cost.to_dict()["rows"][0]
    assert timed.to_dict()["rows"][3]["measured_ms"] == 3.0


def test_csv_holds_every_figure(cost):
    rows = list(csv.DictReader(cost.csv().splitlines()))
    assert len(rows) == len(cost.rows)
    assert sum(int(row["macs"]) for row in rows) == cost.macs
    assert {"flops", "memory_bytes", "ms", "bound_by", "is_known"} <= set(rows[0])


@pytest.mark.parametrize("settings", [{"top": 0}, {"depth": 0}, {"top": -3}])
def test_numbers_below_one(cost, settings):
    with pytest.raises(SettingError, match="choose at least 1"):
        lines_of(cost, **settings)


def test_an_unknown_figure_suggests(cost):
    with pytest.raises(UnknownNameError, match="did you mean 'macs'"):
        lines_of(cost, sort="mac")
