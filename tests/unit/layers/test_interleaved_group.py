"""Sparse kernels whose product is dense: each output meets each input on exactly one path."""

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.interleaved_group import (
    InterleavedGroupConvolution,
    InterleavedLowRankGroup,
    balanced_factors,
)


def linear_part(block):
    """Return the convolutions and permutations, without the normalisation at the end."""
    return nn.Sequential(*list(block)[:-1])


def paths(in_channels, out_channels, factors):
    """Return how many paths lead from each input channel (row) to each output channel."""
    block = InterleavedGroupConvolution(in_channels, out_channels, factors, kernel_size=1, activation=None).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    with torch.no_grad():
        return linear_part(block)(torch.eye(in_channels).reshape(in_channels, in_channels, 1, 1))[:, :, 0, 0]


@given(factors=st.lists(st.integers(1, 4), min_size=2, max_size=4), multiple=st.integers(1, 3))
def test_one_path_from_each_input_to_each_output(factors, multiple):
    channels = prod(factors)
    assert torch.equal(paths(channels, channels * multiple, factors), torch.ones(channels, channels * multiple))


def test_original_order_is_restored():
    block = InterleavedGroupConvolution(12, 12, (2, 3, 2), kernel_size=1, activation=None).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight, module.groups)
    x = torch.randn(2, 12, 3, 3)
    assert torch.allclose(linear_part(block)(x), x)


def test_weights_equal_the_formula():
    block = InterleavedGroupConvolution(64, 64, (4, 16), stride=2)
    assert sum(one.weight.numel() for one in block if isinstance(one, nn.Conv2d)) == 64 * (9 * 4 + 16)
    assert block(torch.zeros(1, 64, 7, 7)).shape == (1, 64, 4, 4)


@given(channels=st.integers(1, 400), count=st.integers(1, 3))
def test_balanced_factors_have_the_product_and_no_smaller_sum(channels, count):
    factors = balanced_factors(channels, count)
    assert len(factors) == count
    assert prod(factors) == channels
    if count == 2:
        assert sum(factors) == min(one + channels // one for one in range(1, channels + 1) if channels % one == 0)


@pytest.mark.parametrize(("out_channels", "factors"), [(12, (2, 5)), (10, (2, 6))])
def test_factors_that_do_not_fit_are_refused(out_channels, factors):
    with pytest.raises(SettingError, match="do not fit"):
        InterleavedGroupConvolution(12, out_channels, factors)


def test_low_rank_block_connects_all_channels_in_two_steps():
    block = InterleavedLowRankGroup(4, 6, 24).eval()
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    reached = block.layers(torch.eye(4).reshape(4, 4, 1, 1))
    assert (reached > 0).all()


@pytest.mark.parametrize(("out_channels", "stride", "skips"), [(8, 1, True), (8, 2, False), (12, 1, False)])
def test_low_rank_skip_only_where_shapes_agree(out_channels, stride, skips):
    block = InterleavedLowRankGroup(8, out_channels, 16, stride=stride)
    nn.init.zeros_(block.layers[3].norm.weight)
    x = torch.randn(2, 8, 6, 6)
    assert torch.equal(block(x), x) if skips else not block(x).any()


def test_low_rank_weights_equal_the_formula():
    block = InterleavedLowRankGroup(8, 12, 48, groups=4)
    assert sum(one.numel() for one in block.parameters() if one.ndim == 4) == 48 * (8 // 4 + 9 + 12 // 4)
