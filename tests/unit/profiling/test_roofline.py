"""The roofline by hand, its bounds, and what is refused."""

import json

import pytest
from torch import nn

import lissome as ls
from lissome.core.errors import SettingError, UnknownNameError
from lissome.devices.device import Device
from lissome.profiling.profile import profile
from lissome.profiling.roofline import predict, work_of

SHEET = {"float32": "sheet", "int8": "sheet", "bytes_per_s": "sheet"}
CHIP = Device(
    name="chip",
    title="Chip",
    kind="cpu",
    peak_flops_per_s={"float32": 1e9, "int8": 4e9},
    bytes_per_s=1e9,
    sources=SHEET,
)


@pytest.fixture
def cost():
    return profile(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten()), (1, 16, 8, 8))


def test_a_call_takes_the_longer_of_its_two_times(cost):
    conv, relu, flatten = predict(cost, CHIP).rows
    assert conv.compute_ms == pytest.approx((2 * 16 * 9 - 1) * 64 * 16 / 1e6)
    assert conv.memory_ms == pytest.approx(4 * (2 * 1024 + 16 * 16 * 9) / 1e6)
    assert (conv.ms, conv.bound) == (conv.compute_ms, "compute")
    assert (relu.ms, relu.bound) == (pytest.approx(8192 / 1e6), "memory")
    assert (flatten.ms, flatten.bound) == (0, "none")
    assert relu.attainable_flops_per_s == pytest.approx(1e9 / 8)
    assert conv.attainable_flops_per_s == 1e9


def test_totals_with_and_without_what_an_engine_fuses(cost):
    prediction = predict(cost, CHIP)
    assert prediction.total_ms == pytest.approx(sum(row.ms for row in prediction.rows))
    assert prediction.fused_ms == pytest.approx(prediction.rows[0].ms)
    assert prediction.ms_bound_by("compute") + prediction.ms_bound_by("memory") == pytest.approx(prediction.total_ms)
    assert "ms by the roofline" in prediction.summary()
    assert "compute" in str(prediction)


def test_int8_moves_a_quarter_of_the_bytes_at_its_own_peak(cost):
    whole, quarter = (predict(cost, CHIP, precision=one).rows[0] for one in ("float32", "int8"))
    assert whole.compute_ms == pytest.approx(4 * quarter.compute_ms)
    assert whole.memory_ms == pytest.approx(4 * quarter.memory_ms)


def test_efficiencies_stretch_the_time_of_their_operator(cost):
    plain = predict(cost, CHIP)
    slow = predict(cost, CHIP, efficiency={"spatial convolution": 0.5, "*": 0.25})
    assert slow.rows[0].ms == pytest.approx(2 * plain.rows[0].ms)
    assert slow.rows[1].ms == pytest.approx(4 * plain.rows[1].ms)
    assert slow.is_calibrated
    assert not plain.is_calibrated


def test_each_call_costs_besides_and_views_do_not(cost):
    plain, slow = predict(cost, CHIP), predict(cost, CHIP, call_ms=0.5)
    assert [round(other.ms - one.ms, 6) for one, other in zip(plain.rows, slow.rows, strict=True)] == [0.5, 0.5, 0]
    with pytest.raises(SettingError, match="call_ms is -1"):
        predict(cost, CHIP, call_ms=-1)


@pytest.mark.parametrize(
    ("layer", "work"),
    [
        (nn.Conv2d(8, 8, 3), "spatial convolution"),
        (nn.Conv2d(8, 8, 1), "pointwise convolution"),
        (nn.Conv2d(8, 8, 3, groups=2), "grouped convolution"),
        (nn.Conv2d(8, 16, 3, groups=8), "depthwise convolution"),
        (nn.ReLU(), "relu"),
    ],
)
def test_kinds_of_work(layer, work):
    assert [work_of(row) for row in profile(layer, (1, 8, 4, 4)).rows] == [work]


def test_what_fits_a_cache_moves_at_its_rate(cost):
    cached = Device(
        name="c",
        title="C",
        kind="cpu",
        peak_flops_per_s={"float32": 1e9},
        bytes_per_s=1e9,
        cache_bytes=(100, 10_000),
        cache_bytes_per_s=(8e9, 4e9),
        sources=SHEET,
    )
    assert [cached.bandwidth(size) for size in (100, 101, 10_001)] == [8e9, 4e9, 1e9]
    assert predict(cost, cached).rows[1].memory_ms == pytest.approx(8192 / 4e6)


def test_refusals(cost):
    with pytest.raises(SettingError, match="efficiency of conv2d: is not above 0"):
        predict(cost, CHIP, efficiency={"conv2d": 0.0})
    with pytest.raises(UnknownNameError, match="no precision of chip is called 'int4'; did you mean 'int8'"):
        predict(cost, CHIP, precision="int4")


def test_profile_with_a_device(cost):
    named = profile(nn.Conv2d(16, 16, 3), (1, 16, 8, 8), device="raspberry_pi_4")
    assert named.prediction is not None
    assert named.prediction.device is ls.DEVICES["raspberry_pi_4"]
    assert cost.prediction is None
    assert json.loads(json.dumps(named.to_dict()))["prediction"]["device"]["name"] == "raspberry_pi_4"
    assert "Raspberry Pi 4" in str(named)
    given = profile(nn.Conv2d(16, 16, 3), (1, 16, 8, 8), device=CHIP)
    assert given.prediction is not None
    assert given.prediction.device is CHIP


def test_a_device_without_float32_computes_in_what_it_has(cost):
    assert predict(cost, ls.DEVICES["coral_edge_tpu"]).precision == "int8"


@pytest.mark.parametrize(("width", "kernel"), [((64, 64), 1), ((32, 128), 1), ((16, 256), 1)], ids=lambda one: str(one))
def test_equal_channels_move_the_least_for_their_macs(width, kernel):
    """ShuffleNetV2's G1: MAC = hw(c1 + c2) + c1 c2 ≥ 2 √(hw B) + B / hw, equality at c1 = c2."""
    one, other = width
    cost = profile(nn.Conv2d(one, other, kernel, bias=False), (1, one, 8, 8))
    area, products = 64, cost.macs
    numbers = cost.bytes_moved / 4
    assert numbers == area * (one + other) + one * other
    least = 2 * (area * products) ** 0.5 + products / area
    assert numbers >= least
    assert (numbers == least) == (one == other)
