"""Both forms, and the cost formula."""

import torch
from torch import nn

from lissome.layers.depthwise_separable import DepthwiseSeparable


def test_weights_equal_the_formula():
    unit = DepthwiseSeparable(8, 16, kernel_size=5)
    weights = sum(one.weight.numel() for one in unit.modules() if isinstance(one, nn.Conv2d))
    assert weights == 8 * (25 + 16)


def test_plain_depthwise_is_linear_until_the_end():
    unit = DepthwiseSeparable(4, 4, plain_depthwise=True).eval()
    kinds = [type(one).__name__ for one in unit.modules() if not list(one.children())]
    assert kinds == ["Conv2d", "Conv2d", "BatchNorm2d", "ReLU"]


def test_channels_do_not_meet_in_the_depthwise_half():
    unit = DepthwiseSeparable(4, 4)
    x = torch.zeros(1, 4, 5, 5)
    x[:, 2] = 1
    touched = unit.depthwise.conv(x).abs().sum((0, 2, 3)) > 0
    assert touched.tolist() == [False, False, True, False]


def test_without_activation_the_output_is_linear():
    assert DepthwiseSeparable(4, 4, activation=None)(torch.randn(4, 4, 6, 6)).min() < 0
