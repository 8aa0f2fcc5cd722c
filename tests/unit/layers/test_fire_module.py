"""Squeeze, expand, concatenate."""

import torch
from torch import nn

from lissome.layers.fire_module import FireModule


def test_weights_equal_the_formula():
    fire = FireModule(32, 4, 16)
    weights = sum(one.weight.numel() for one in fire.modules() if isinstance(one, nn.Conv2d))
    assert weights == 32 * 4 + 4 * 16 + 9 * 4 * 16


def test_halves_come_from_their_branches():
    fire = FireModule(6, 3, 4)
    nn.init.zeros_(fire.expand3x3.weight)
    nn.init.zeros_(fire.expand3x3.bias)
    x = torch.randn(2, 6, 5, 5)
    y = fire(x)
    assert torch.equal(y[:, :4], fire.expand1x1(fire.squeeze(x).relu()).relu())
    assert not y[:, 4:].any()
