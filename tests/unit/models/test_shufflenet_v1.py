"""Groups, widths, and the two kinds of unit."""

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.models.shufflenet_v1 import ShuffleNetV1, ShuffleUnit


# Source: github.com/osmr/imgclsmob, pytorch/README.md, "ShuffleNet x0.25 (g=1)" and following.
@pytest.mark.parametrize(
    ("width", "groups", "params"),
    [
        (0.25, 1, 209_746),
        (0.25, 3, 305_902),
        (0.5, 1, 534_484),
        (0.5, 3, 718_324),
        (0.75, 1, 975_214),
        (0.75, 3, 1_238_266),
        (1.0, 2, 1_733_848),
        (1.0, 4, 1_968_344),
    ],
)
def test_parameters_equal_the_published_ones(width, groups, params):
    assert sum(one.numel() for one in ShuffleNetV1(width=width, groups=groups).parameters()) == params


def test_plain_unit_adds_its_input():
    unit = ShuffleUnit(12, 12, groups=3).eval()
    nn.init.zeros_(unit.branch[3].norm.weight)
    x = torch.randn(2, 12, 5, 5)
    assert torch.equal(unit(x), x.relu())


def test_strided_unit_puts_the_mean_of_its_input_first():
    unit = ShuffleUnit(4, 16, groups=2, stride=2).eval()
    x = torch.randn(2, 4, 6, 6)
    y = unit(x)
    assert y.shape == (2, 16, 3, 3)
    assert torch.equal(y[:, :4], nn.functional.avg_pool2d(x, 3, 2, 1).relu())


def test_only_the_first_convolution_behind_the_stem_is_not_grouped():
    units = ShuffleNetV1(groups=4).units
    assert [unit.branch[0].conv.groups for unit in units] == [1] + [4] * 15
    assert {unit.branch[3].conv.groups for unit in units} == {4}


def test_groups_that_the_paper_does_not_have_are_refused():
    with pytest.raises(SettingError, match="groups is 5"):
        ShuffleNetV1(groups=5)
