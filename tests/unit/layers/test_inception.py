"""Branches side by side, factorised windows, reduction in parallel."""

import pytest
import torch
from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.inception import (
    AsymmetricConvolution,
    ParallelBranches,
    SplitConvolution,
    convolution_chain,
    parallel_pool_reduction,
    pooled_projection,
)


def weights(block):
    return sum(one.weight.numel() for one in block.modules() if isinstance(one, nn.Conv2d))


def test_branches_are_concatenated_in_order():
    x = torch.randn(1, 2, 3, 3)
    assert torch.equal(ParallelBranches(nn.Identity(), nn.ReLU())(x), torch.cat([x, x.relu()], 1))


@pytest.mark.parametrize("first", ["row", "column"])
def test_asymmetric_pair_sees_the_whole_window_and_no_more(first):
    pair = AsymmetricConvolution(1, 1, 1, length=5, first=first).eval()
    for unit in pair:
        nn.init.ones_(unit.conv.weight)
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    seen = pair(x)[0, 0] > 0
    assert seen[2:7, 2:7].all()
    assert seen.sum() == 25
    assert pair[0].conv.kernel_size == ((1, 5) if first == "row" else (5, 1))


def test_weights_equal_the_formula():
    assert weights(AsymmetricConvolution(8, 8, 8, length=7)) == 2 * 7 * 64
    assert weights(SplitConvolution(8, 4)) == 6 * 8 * 4


def test_chain_puts_stride_and_padding_last():
    chain = convolution_chain(8, (4, 6), (3, 3), stride=2, padding="valid")
    assert chain(torch.zeros(1, 8, 9, 9)).shape == (1, 6, 4, 4)
    assert [unit.conv.padding for unit in chain] == [(1, 1), (0, 0)]


def test_pooled_projection_averages_unless_told_otherwise():
    x = torch.randn(1, 4, 5, 5)
    mean, largest = pooled_projection(4, 2), pooled_projection(4, 2, nn.MaxPool2d(3, 1, 1))
    assert torch.equal(mean[0](x), nn.functional.avg_pool2d(x, 3, 1, 1))
    assert torch.equal(largest[0](x), nn.functional.max_pool2d(x, 3, 1, 1))
    assert mean(x).shape == (1, 2, 5, 5)


def test_reduction_ends_with_the_pooled_input():
    x = torch.randn(1, 4, 8, 8)
    same = parallel_pool_reduction(ConvNormActivation(4, 6, 3, stride=2), padding=1)
    assert torch.equal(same(x)[:, 6:], nn.functional.max_pool2d(x, 3, 2, 1))
