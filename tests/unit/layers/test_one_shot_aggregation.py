"""A chain, one concatenation of everything in it, and what may follow."""

import torch
from torch import nn

from lissome.layers.one_shot_aggregation import OneShotAggregation


def test_aggregates_the_input_and_every_layer_of_the_chain_in_order():
    block = OneShotAggregation(4, 3, 8, depth=2).eval()
    x = torch.randn(2, 4, 5, 5)
    first = block.chain[0](x)
    second = block.chain[1](first)
    assert torch.equal(block(x), block.aggregate(torch.cat([x, first, second], 1)))


def test_residual_adds_the_input_behind_the_attention():
    block = OneShotAggregation(4, 3, 4, depth=1, attention=nn.Hardtanh(0, 0.5), residual=True).eval()
    x = torch.randn(2, 4, 5, 5)
    plain = block.aggregate(torch.cat([x, block.chain[0](x)], 1))
    assert torch.equal(block(x), x + plain.clamp(0, 0.5))


def test_parameters_equal_the_formula():
    block = OneShotAggregation(16, 8, 32, depth=5)
    kernels = sum(one.numel() for one in block.parameters() if one.ndim == 4)
    assert kernels == 9 * 16 * 8 + 4 * 9 * 8 * 8 + (16 + 5 * 8) * 32
