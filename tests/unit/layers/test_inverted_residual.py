"""Where the skip is, where the expansion is, and what the last convolution leaves linear."""

import pytest
import torch
from torch import nn

from lissome.layers.inverted_residual import InvertedResidual


def silenced(block):
    """Make the residual path zero, so that only the skip is left."""
    nn.init.zeros_(block.layers.project.norm.weight)
    return block


@pytest.mark.parametrize(("out_channels", "stride", "skips"), [(8, 1, True), (8, 2, False), (12, 1, False)])
def test_skip_only_where_shapes_agree(out_channels, stride, skips):
    x = torch.randn(2, 8, 6, 6)
    y = silenced(InvertedResidual(8, out_channels, 16, stride=stride))(x)
    assert torch.equal(y, x) if skips else not y.any()


def test_expansion_is_left_out_at_ratio_one():
    assert not hasattr(InvertedResidual(8, 8, 8).layers, "expand")
    assert InvertedResidual(8, 8, 48).layers.expand.conv.out_channels == 48


def test_bottleneck_is_linear():
    assert InvertedResidual(4, 6, 24)(torch.randn(8, 4, 8, 8)).min() < 0


def test_attention_sits_on_the_expanded_channels():
    closed = InvertedResidual(4, 6, 24, attention=nn.Conv2d(24, 24, 1))
    nn.init.zeros_(closed.layers.attention.weight)
    nn.init.zeros_(closed.layers.attention.bias)
    assert not closed(torch.randn(2, 4, 8, 8)).any()


def test_parameters_equal_the_formula():
    # E = 24, C = 4, C' = 6, K = 5: weights E·(C + K² + C') and two numbers per normalised channel.
    params = sum(one.numel() for one in InvertedResidual(4, 6, 24, kernel_size=5).parameters())
    assert params == 24 * (4 + 25 + 6) + 2 * (24 + 24 + 6)
