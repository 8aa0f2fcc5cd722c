"""Residual bottleneck: stride placement, groups, attention, shortcut."""

import pytest
import torch
from torch import nn

from lissome.layers.bottleneck import Bottleneck


def weights(block):
    return sum(one.weight.numel() for one in block.modules() if isinstance(one, nn.Conv2d))


@pytest.mark.parametrize(("strided", "strides"), [("first", (2, 1)), ("second", (1, 2))])
def test_stride_is_where_it_was_asked(strided, strides):
    block = Bottleneck(8, (4, 4, 16), stride=2, strided=strided)
    assert (block.reduce.conv.stride[0], block.filter.conv.stride[0]) == strides
    assert block(torch.zeros(1, 8, 6, 6)).shape == (1, 16, 3, 3)


def test_silent_residual_leaves_the_activated_input():
    block = Bottleneck(16, (4, 4, 16))
    nn.init.zeros_(block.restore.norm.weight)
    x = torch.randn(2, 16, 5, 5)
    assert torch.equal(block(x), x.relu())


def test_weights_equal_the_formula():
    assert weights(Bottleneck(16, (8, 12, 16), groups=4)) == 16 * 8 + 9 * 8 * 12 // 4 + 12 * 16
    assert weights(Bottleneck(8, (4, 4, 16), projection="3x3")) == 8 * 4 + 9 * 4 * 4 + 4 * 16 + 9 * 8 * 16


def test_attention_acts_before_the_sum():
    block = Bottleneck(16, (4, 4, 16), attention=nn.Conv2d(16, 16, 1))
    nn.init.zeros_(block.attention.weight)
    nn.init.ones_(block.attention.bias)
    x = torch.randn(2, 16, 5, 5)
    assert torch.allclose(block(x), (x + 1).relu())


def test_pooled_projection_sees_every_pixel_and_keeps_the_shape_of_the_strided_one():
    block = Bottleneck(4, (2, 2, 8), stride=2, projection="pooled").eval()
    image = torch.zeros(1, 4, 7, 7)
    blank = block(image)
    for row, column in ((0, 1), (1, 0), (1, 1), (6, 6)):
        spot = image.clone()
        spot[:, :, row, column] = 1
        shortcut = block.shortcut(spot) - block.shortcut(image)
        assert shortcut.abs().sum() > 0
        assert shortcut.shape == (1, 8, 4, 4)
    assert blank.shape == Bottleneck(4, (2, 2, 8), stride=2)(image).shape
    assert isinstance(Bottleneck(8, (2, 2, 8), projection="pooled").shortcut, nn.Identity)
