"""The unit computes its formula, and pads as asked."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.layers.conv_norm_activation import ConvNormActivation


def test_equals_the_formula():
    unit = ConvNormActivation(3, 4, 3, stride=2).eval()
    norm = unit.norm
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    x = torch.randn(2, 3, 9, 9)
    y = functional.conv2d(x, unit.conv.weight, stride=2, padding=1)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    expected = functional.relu((y - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None])
    assert torch.allclose(unit(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "settings", "shape"),
    [
        (3, {}, (8, 9)),
        (5, {"stride": 2}, (4, 5)),
        ((1, 7), {}, (8, 9)),
        ((7, 1), {}, (8, 9)),
        (3, {"padding": "valid"}, (6, 7)),
        (1, {"padding": 2}, (12, 13)),
    ],
)
def test_padding(kernel, settings, shape):
    assert ConvNormActivation(2, 2, kernel, **settings)(torch.zeros(1, 2, 8, 9)).shape[2:] == shape


def test_without_activation_negative_values_pass():
    x = torch.randn(4, 2, 8, 8)
    assert ConvNormActivation(2, 2, 1, activation=None)(x).min() < 0
    assert ConvNormActivation(2, 2, 1)(x).min() == 0
