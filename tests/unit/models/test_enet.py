"""Maxima go back to where they came from; the output is as large as the image."""

import torch
from torch import nn

from lissome.models.enet import Bottleneck, DownBottleneck, ENet, InitialBlock, UpBottleneck


def test_mask_marks_the_maxima():
    down = DownBottleneck(4, 8, dropout=0.0)
    x = torch.randn(2, 4, 6, 8)
    _, mask = down(x)
    _, indices = nn.functional.max_pool2d(x, 2, return_indices=True)
    expected = torch.zeros(2, 4, 48).scatter(2, indices.flatten(2), 1.0).reshape(2, 4, 6, 8)
    assert torch.equal(mask, expected)


def test_upsampling_equals_unpooling_by_indices():
    down, up = DownBottleneck(4, 8, dropout=0.0), UpBottleneck(8, 4, dropout=0.0).eval()
    nn.init.zeros_(up.branch[-2].weight)
    features, deep = torch.randn(1, 4, 6, 6), torch.randn(1, 8, 3, 3)
    _, indices = nn.functional.max_pool2d(features, 2, return_indices=True)
    expected = nn.functional.max_unpool2d(up.main(deep), indices, 2).relu()
    assert torch.equal(up(deep, down(features)[1]), expected)


def test_added_channels_are_zero_beside_the_branch():
    down = DownBottleneck(4, 8, dropout=0.0).eval()
    nn.init.zeros_(down.branch[-2].weight)
    x = torch.randn(1, 4, 4, 4).abs()
    y, _ = down(x)
    assert torch.equal(y[:, :4], nn.functional.max_pool2d(x, 2))
    assert not y[:, 4:].any()


def test_initial_block_holds_the_pooled_image():
    block = InitialBlock(3, 16).eval()
    x = torch.rand(1, 3, 8, 8)
    assert torch.allclose(block(x)[:, 13:], nn.functional.max_pool2d(x, 2), atol=1e-4)


def test_dilation_costs_nothing_and_the_pair_costs_what_the_formula_says():
    def kernels(dilation):
        return sum(one.numel() for one in Bottleneck(64, dilation=dilation).parameters() if one.ndim == 4)

    assert kernels(16) == kernels(1) == 2 * 64 * 16 + 9 * 16 * 16
    assert kernels(0) == 2 * 64 * 16 + 10 * 16 * 16


def test_every_pixel_gets_its_logits():
    assert ENet(classes=5, input_channels=1).eval()(torch.rand(2, 1, 24, 40)).shape == (2, 5, 24, 40)
