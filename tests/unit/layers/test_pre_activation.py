"""Pre-activation units, and what a mask hides from whom."""

import torch
from torch import nn

from lissome.layers.pre_activation import PreActivationBottleneck, PreActivationConvolution


def test_convolution_comes_last():
    kinds = [type(one).__name__ for one in PreActivationConvolution(4, 8, 3).modules() if not list(one.children())]
    assert kinds == ["BatchNorm2d", "ReLU", "Conv2d"]


def test_skip_is_a_pure_sum():
    block = PreActivationBottleneck(16, 16)
    nn.init.zeros_(block.restore.conv.weight)
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(block(x), x)


def test_projection_reads_activated_features_in_the_papers_form_and_raw_ones_in_the_slimming_form():
    x = torch.randn(2, 8, 4, 4)
    for masked in (False, True):
        block = PreActivationBottleneck(8, 16, stride=2, masked=masked).eval()
        nn.init.zeros_(block.restore.conv.weight)
        read = x if masked else block.before(x)
        assert torch.equal(block(x), block.projection(read))


def test_masked_channel_reaches_the_skip_only():
    block = PreActivationBottleneck(16, 16, masked=True).eval()
    block.mask.mask.data[3] = 0
    x = torch.randn(2, 16, 4, 4)
    changed = x.clone()
    changed[:, 3] += 1
    difference = block(changed) - block(x)
    assert torch.allclose(difference[:, 3], torch.ones(2, 4, 4), atol=1e-6)
    assert difference[:, :3].abs().max() < 1e-6


def test_mask_is_no_trained_parameter():
    assert PreActivationConvolution(4, 4, 3, masked=True).before.mask.mask.requires_grad is False
