"""Branches in training and one convolution at run time compute the same."""

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.reparameterizable import ReparameterizableConvolution, fold_reparameterizable

ACNET = ((3, 3), (1, 3), (3, 1))


def trained(block):
    """Give every normalisation statistics and scales as training leaves them."""
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.2, 3)
            nn.init.uniform_(module.weight, 0.3, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return block.eval()


@pytest.mark.parametrize(
    ("in_channels", "settings"),
    [
        (8, {}),
        (8, {"stride": 2}),
        (4, {}),
        (8, {"groups": 4}),
        (8, {"identity": False}),
        (8, {"kernels": ACNET, "identity": False}),
        (8, {"kernels": ((5, 5), (3, 3), (1, 5), (1, 1)), "groups": 2}),
    ],
    ids=str,
)
def test_folded_convolution_equals_the_branches(in_channels, settings):
    block = trained(ReparameterizableConvolution(in_channels, 8, activation=None, **settings))
    x = torch.randn(2, in_channels, 9, 7)
    folded = fold_reparameterizable(block)
    assert type(folded) is nn.Conv2d
    assert torch.allclose(folded(x), block(x), atol=1e-4)


def test_identity_branch_only_where_shapes_agree():
    assert ReparameterizableConvolution(8, 8).identity is not None
    assert ReparameterizableConvolution(8, 8, stride=2).identity is None
    assert ReparameterizableConvolution(4, 8).identity is None
    assert ReparameterizableConvolution(8, 8, identity=False).identity is None


def test_fold_leaves_the_block_and_its_data_type():
    block = trained(ReparameterizableConvolution(4, 4)).double()
    before = {name: value.clone() for name, value in block.state_dict().items()}
    assert fold_reparameterizable(block).weight.dtype == torch.float64
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


@pytest.mark.parametrize("kernels", [((3, 3), (2, 2)), ((3, 3), (5, 1))])
def test_even_or_larger_kernels_are_refused(kernels):
    with pytest.raises(SettingError, match="use odd sizes, the largest kernel first"):
        ReparameterizableConvolution(4, 4, kernels=kernels)
