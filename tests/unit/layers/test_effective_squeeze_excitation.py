"""One full-width layer weighs the channels."""

import torch
from torch import nn

from lissome.layers.effective_squeeze_excitation import EffectiveSqueezeExcitation


def test_equals_the_formula():
    block = EffectiveSqueezeExcitation(5)
    x = torch.randn(2, 5, 3, 4)
    raw = x.mean((2, 3)) @ block.mix.weight[:, :, 0, 0].T + block.mix.bias
    assert torch.allclose(block(x), x * nn.functional.hardsigmoid(raw)[:, :, None, None], atol=1e-6)
