"""Groups that never meet."""

import pytest
import torch

from lissome.core.errors import SettingError
from lissome.layers.group_convolution import GroupConvolution


def test_groups_do_not_see_each_other():
    unit = GroupConvolution(8, 12, groups=4)
    x = torch.zeros(1, 8, 5, 5)
    x[:, 2:4] = 1  # the second group of two channels
    touched = unit.conv(x).abs().sum((0, 2, 3)) > 0
    assert touched.tolist() == [False] * 3 + [True] * 3 + [False] * 6


@pytest.mark.parametrize(("channels", "groups"), [((6, 8), 4), ((8, 6), 4), ((8, 8), 0)])
def test_channels_that_do_not_divide_are_refused(channels, groups):
    with pytest.raises(SettingError, match="do not divide into"):
        GroupConvolution(*channels, groups=groups)
