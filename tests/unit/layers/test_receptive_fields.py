"""Layers that see far: how far, and what it costs."""

import pytest
import torch

import lissome as ls
from lissome.layers.atrous_pyramid import AtrousPyramid
from lissome.layers.dilated_convolution import DilatedConvolution
from lissome.layers.receptive_field import ReceptiveField
from lissome.layers.spatial_attention import SpatialAttention


def reach(layer, side=41):
    """Return how far from the centre a pixel can change the centre's output."""
    x = torch.randn(1, 4, side, side, requires_grad=True)
    layer.eval()(x)[0, :, side // 2, side // 2].sum().backward()
    rows = x.grad[0].abs().sum((0, 2)).nonzero()[:, 0]
    return int((rows - side // 2).abs().max())


def test_dilation_keeps_the_size_and_reaches_farther():
    layer = DilatedConvolution(4, 4, 5, activation=None)
    assert layer(torch.zeros(1, 4, 9, 9)).shape == (1, 4, 9, 9)
    assert reach(layer) == 5
    assert layer.conv.weight.numel() == 4 * 4 * 9


def test_the_branches_of_an_atrous_pyramid_reach_as_far_as_their_dilations():
    layer = AtrousPyramid(4, 8, (2, 7))
    assert [reach(branch) for branch in layer.branches] == [0, 2, 7]
    assert reach(layer) == 20, "through the mean it sees all"


def test_the_branches_of_a_receptive_field_block_reach_half_a_kernel_and_a_dilation():
    layer = ReceptiveField(4, 6, reduction=1)
    assert [reach(branch) for branch in layer.branches] == [1, 1 + 3, 2 + 5]


def test_a_receptive_field_block_is_the_scaled_sum():
    layer, x = ReceptiveField(8, 6, stride=2, scale=0.5).eval(), torch.randn(2, 8, 9, 9)
    merged = layer.merge(torch.cat([branch(x) for branch in layer.branches], 1))
    assert torch.allclose(layer(x), (0.5 * merged + layer.shortcut(x)).relu())
    assert layer(x).shape == (2, 6, 5, 5)


def test_attention_scales_each_place_or_each_value():
    x = torch.rand(2, 6, 8, 8) + 0.5
    by_place = SpatialAttention(6)
    factors = by_place(x) / x
    assert torch.allclose(factors, factors[:, :1].expand_as(x), atol=1e-6)
    seen = torch.stack([x.mean(1), x.max(1).values], 1)
    assert torch.allclose(factors[:, :1], by_place.conv(seen).sigmoid(), atol=1e-6)
    by_value = SpatialAttention(6, form="value")
    assert torch.allclose(by_value(x), x * by_value.conv(x).sigmoid())
    with pytest.raises(ls.SettingError, match="kernel_size is 6"):
        SpatialAttention(6, kernel_size=6)
