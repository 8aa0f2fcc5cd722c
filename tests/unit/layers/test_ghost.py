"""Half of the features computed, the rest derived channel by channel."""

import pytest
import torch

from lissome.core.errors import SettingError
from lissome.layers.ghost import Ghost


@pytest.mark.parametrize(("out_channels", "ratio"), [(12, 2), (12, 3), (13, 2), (10, 4)])
def test_first_channels_are_primary_and_the_others_come_from_them_alone(out_channels, ratio):
    block = Ghost(6, out_channels, ratio=ratio).eval()
    x = torch.randn(2, 6, 5, 5)
    primary = block.primary(x)
    y = block(x)
    assert y.shape == (2, out_channels, 5, 5)
    assert primary.shape[1] == -(-out_channels // ratio)
    assert torch.equal(y[:, : primary.shape[1]], primary)
    assert torch.equal(y[:, primary.shape[1] :], block.cheap(primary)[:, : out_channels - primary.shape[1]])


def test_derived_features_are_depthwise():
    block = Ghost(6, 12, ratio=3)
    assert block.cheap.conv.weight.shape == (8, 1, 3, 3)
    assert block.cheap.conv.groups == 4


def test_stride_is_the_primary_convolutions():
    assert Ghost(4, 8, stride=2, kernel_size=3)(torch.zeros(1, 4, 7, 7)).shape == (1, 8, 4, 4)


def test_ratio_below_two_is_refused():
    with pytest.raises(SettingError, match="ratio is 1"):
        Ghost(4, 8, ratio=1)
