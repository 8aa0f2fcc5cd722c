"""Efficiencies that were put in come out again, and predict networks that were not seen."""

import pytest
import torch

from lissome.core.errors import BadDataError
from lissome.devices.catalog import find_device
from lissome.models.create import create
from lissome.profiling.calibration import calibrate
from lissome.profiling.profile import profile
from lissome.profiling.roofline import predict

DEVICE = find_device("laptop_x86")
NAMES = (
    *("resnet20", "resnet56", "resnet34", "vgg16", "alexnet", "mobilenet_v2", "mobilenet_v3_small", "mnasnet"),
    *("shufflenet_v2_x1_0", "shufflenet_v2_x0_5", "squeezenet1_1", "squeezenet1_0", "ghostnet", "densenet121"),
)
TRUTH = {"spatial convolution": 0.8, "pointwise convolution": 0.5, "depthwise convolution": 0.1, "*": 0.3}
CALL_MS = 2e-4


def cost_of(name):
    from lissome.models.catalog import CATALOG

    with torch.device("meta"):
        return profile(create(name), (1, *CATALOG[name].input))


def true_ms(cost):
    return predict(cost, DEVICE, efficiency=TRUTH, call_ms=CALL_MS).fused_ms


@pytest.fixture(scope="module")
def found():
    costs = [cost_of(name) for name in NAMES]
    return calibrate([(cost, true_ms(cost)) for cost in costs], DEVICE)


def test_what_most_time_goes_to_is_found_again(found):
    for work in ("spatial convolution", "depthwise convolution"):
        assert found.efficiency[work] == pytest.approx(TRUTH[work], rel=0.2)


@pytest.mark.parametrize("name", ["resnet110", "mobilenet_v1", "resnet18"])
def test_networks_that_were_not_seen_are_predicted(found, name):
    cost = cost_of(name)
    guess = predict(cost, DEVICE, efficiency=found.efficiency, call_ms=found.call_ms).fused_ms
    assert guess == pytest.approx(true_ms(cost), rel=0.1)
    assert predict(cost, DEVICE).fused_ms != pytest.approx(true_ms(cost), rel=0.2)


def test_rare_work_shares_one_efficiency():
    costs = [cost_of(name) for name in ("resnet20", "mobilenet_v2")]
    found = calibrate([(cost, true_ms(cost)) for cost in costs], DEVICE, fewest=2)
    assert "depthwise convolution" not in found.efficiency
    assert {"spatial convolution", "*"} <= set(found.efficiency)


@pytest.mark.parametrize("times", [[], [0.0], [-1.0]])
def test_refusals(times):
    cost = cost_of("resnet20")
    with pytest.raises(BadDataError, match="times above 0"):
        calibrate([(cost, ms) for ms in times], DEVICE)
