"""Start weights: variance by fan-out, zero biases, everything else untouched."""

import pytest
import torch
from torch import nn

from lissome.layers.initialization import initialize


@pytest.mark.parametrize(
    ("conv", "fan_out"),
    [
        (nn.Conv2d(64, 128, 3), 9 * 128),
        (nn.Conv2d(512, 512, 3, groups=512), 9),
        (nn.Conv2d(64, 128, (1, 7), groups=2), 7 * 64),
    ],
)
def test_variance_is_two_over_fan_out(conv, fan_out):
    initialize(conv)
    assert conv.weight.var().item() == pytest.approx(2 / fan_out, rel=0.05)
    assert not conv.bias.any()


def test_signal_keeps_its_scale_through_twenty_layers():
    net = nn.Sequential(*(layer for _ in range(20) for layer in (nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())))
    initialize(net)
    x = torch.randn(4, 32, 16, 16)
    with torch.no_grad():
        assert 0.05 < net(x).std() / x.std() < 5


def test_linear_layers_keep_their_weights():
    linear = nn.Linear(8, 8)
    before = linear.weight.clone()
    initialize(linear)
    assert torch.equal(linear.weight, before)
    assert not linear.bias.any()
