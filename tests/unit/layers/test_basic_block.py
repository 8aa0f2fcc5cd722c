"""The two-layer residual block with each shortcut."""

import pytest
import torch
from torch import nn

from lissome.layers.basic_block import BasicBlock


def silenced(block):
    """Make the residual path zero, so that only the shortcut is left."""
    nn.init.zeros_(block.conv2.norm.weight)
    return block.eval()


def test_equal_shapes_take_the_identity():
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(silenced(BasicBlock(8, 8))(x), x.relu())


def test_pad_adds_zero_channels_and_no_parameters():
    x = torch.rand(2, 4, 4, 4)
    y = silenced(BasicBlock(4, 8, stride=2, shortcut="pad"))(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert y[:, [0, 1, 6, 7]].sum() == 0


@pytest.mark.parametrize(("shortcut", "more"), [("pad", 0), ("projection", 4 * 8 + 2 * 8)])
def test_parameters_of_the_shortcut(shortcut, more):
    params = sum(one.numel() for one in BasicBlock(4, 8, stride=2, shortcut=shortcut).parameters())
    assert params == 9 * (4 * 8 + 8 * 8) + 4 * 8 + more
