"""Dense layers append; transitions compress."""

import pytest
import torch
from torch import nn

from lissome.layers.dense_block import DenseBlock, DenseLayer, DenseTransition


def weights(block):
    return sum(one.weight.numel() for one in block.modules() if isinstance(one, nn.Conv2d))


def test_input_comes_out_unchanged_in_front():
    x = torch.randn(2, 8, 4, 4)
    y = DenseBlock(8, 3, 4, bottleneck=False)(x)
    assert y.shape[1] == 20
    assert torch.equal(y[:, :8], x)


def test_later_layers_read_earlier_ones():
    block = DenseBlock(8, 2, 4, bottleneck=True).eval()
    x = torch.randn(1, 8, 4, 4)
    before = block(x)[:, 12:]
    nn.init.zeros_(block[0].layers.grow.conv.weight)
    assert not torch.equal(block(x)[:, 12:], before)


@pytest.mark.parametrize(("bottleneck", "expected"), [(False, 9 * 20 * 4), (True, 16 * 20 + 36 * 16)])
def test_weights_of_a_layer_equal_the_formula(bottleneck, expected):
    assert weights(DenseLayer(20, 4, bottleneck=bottleneck)) == expected


def test_transition_averages_two_by_two():
    transition = DenseTransition(8, 4).eval()
    x = torch.rand(1, 8, 4, 4)
    assert torch.allclose(transition(x), nn.functional.avg_pool2d(transition.reduce(x), 2))
