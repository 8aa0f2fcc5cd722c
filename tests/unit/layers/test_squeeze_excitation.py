"""One factor per channel, from the means of all."""

import torch
from torch import nn

from lissome.layers.squeeze_excitation import SqueezeExcitation


def test_equals_the_formula():
    block = SqueezeExcitation(6, 2)
    x = torch.randn(3, 6, 4, 5)
    w1, w2 = block.squeeze.weight[:, :, 0, 0], block.excite.weight[:, :, 0, 0]
    hidden = (x.mean((2, 3)) @ w1.T + block.squeeze.bias).relu()
    factors = (hidden @ w2.T + block.excite.bias).sigmoid()
    assert torch.allclose(block(x), x * factors[:, :, None, None], atol=1e-6)


def test_hard_sigmoid_closes_and_opens_fully():
    block = SqueezeExcitation(2, 1, gate=nn.Hardsigmoid)
    nn.init.zeros_(block.excite.weight)
    block.excite.bias.data = torch.tensor([-3.0, 3.0])
    y = block(torch.ones(1, 2, 2, 2))
    assert not y[:, 0].any()
    assert torch.equal(y[:, 1], torch.ones(1, 2, 2))


def test_parameters_equal_the_formula():
    assert sum(one.numel() for one in SqueezeExcitation(64, 4).parameters()) == 2 * 64 * 4 + 4 + 64
