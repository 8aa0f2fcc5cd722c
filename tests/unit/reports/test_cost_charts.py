import math

import pytest

from lissome.reports.cost_charts import memory_chart, roofline_chart


@pytest.fixture
def chart(pruned):
    prediction = pruned.timed.prediction.to_dict()
    return roofline_chart(prediction, [row["layer"] for row in prediction["rows"]])


def test_every_call_with_operations_is_a_point_below_its_roof(pruned, chart):
    roofs, memory, compute = chart.figure["data"]
    device = pruned.timed.prediction.device
    rows = [row for row in pruned.timed.prediction.rows if row.flops_per_byte]
    assert len(memory["x"]) + len(compute["x"]) == len(rows)
    for x, y in zip(memory["x"], memory["y"], strict=True):
        assert y == pytest.approx(x * device.bytes_per_s / 1e9)
    assert set(compute["y"]) == {13.5}
    assert [one for one in roofs["y"] if one][1:] == [13.5, 13.5]


def test_the_area_is_the_time(pruned, chart):
    _, memory, compute = chart.figure["data"]
    sizes = [*memory["marker"]["size"], *compute["marker"]["size"]]
    assert 6 <= min(sizes) < max(sizes) <= 34
    slowest = max(pruned.timed.prediction.rows, key=lambda row: row.ms)
    (text,) = [one for one in compute["text"] if one.startswith(f"{slowest.layer}<br>")]
    assert compute["marker"]["size"][compute["text"].index(text)] == max(sizes)


def test_names_are_shown_as_they_are(pruned):
    prediction = pruned.timed.prediction.to_dict()
    chart = roofline_chart(prediction, ["<b>"] * len(prediction["rows"]))
    assert chart.figure["data"][2]["text"][0].startswith("&lt;b&gt;<br>")


def test_a_roof_for_each_cache(pruned):
    prediction = pruned.timed.prediction.to_dict()
    prediction["device"]["cache_bytes_per_s"] = [40e9, 20e9]
    roofs = roofline_chart(prediction, [""] * len(prediction["rows"])).figure["data"][0]
    corners = [x for x, y in zip(roofs["x"], roofs["y"], strict=True) if y == 13.5][::2]
    assert corners == pytest.approx([13.5 / 12.8, 13.5 / 40, 13.5 / 20])


def test_memory_over_the_calls(pruned):
    peaks = pruned.timed.peak_memory
    chart = memory_chart(peaks.to_dict())
    assert chart.legend == ("each its own", "in place", "folded and in place")
    tops = [max(one["y"]) for one in chart.figure["data"]]
    assert tops == [one.peak_bytes / 1024 for one in (peaks.separate, peaks.in_place, peaks.folded)]
    assert all(math.isclose(one["x"][1] * len(one["x"]), 100) for one in chart.figure["data"])
