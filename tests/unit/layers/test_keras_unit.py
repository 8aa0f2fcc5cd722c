"""Convolution with bias, uneven padding, eps 1e-3."""

import torch

from lissome.layers.keras_unit import keras_unit


def test_equals_the_formula():
    unit = keras_unit(2, 3, 3, size=6, stride=2).eval()
    unit.conv.bias.data = torch.tensor([1.0, -2.0, 0.5])
    unit.norm.running_mean.uniform_(-1, 1)
    unit.norm.running_var.fill_(1e-3)
    x = torch.randn(1, 2, 6, 6)
    wide = torch.zeros(1, 2, 7, 7)
    wide[:, :, :6, :6] = x
    plain = torch.nn.functional.conv2d(wide, unit.conv.weight, unit.conv.bias, stride=2)
    mean = unit.norm.running_mean.reshape(1, 3, 1, 1)
    assert torch.allclose(unit(x), ((plain - mean) / (2e-3) ** 0.5).relu(), rtol=1e-4, atol=1e-4)


def test_layers_are_linear_on_request_and_depthwise_in_groups():
    unit = keras_unit(4, 4, 3, size=8, groups=4, activation=None)
    assert [name for name, _ in unit.named_children()] == ["conv", "norm"]
    assert unit.conv.weight.shape == (4, 1, 3, 3)
    assert unit.conv.bias.shape == (4,)
