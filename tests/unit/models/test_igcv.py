"""The three interleaved group networks: published counts and what each is made of."""

import pytest
from torch import nn

from lissome.core.errors import SettingError
from lissome.models.igcv1 import IGCV1
from lissome.models.igcv2 import IGCV2
from lissome.models.igcv3 import IGCV3


def parameters(model):
    return sum(one.numel() for one in model.parameters())


def test_igcv1_has_the_authors_count_without_normalisations():
    model = IGCV1()
    norms = sum(parameters(one) for one in model.modules() if isinstance(one, nn.BatchNorm2d))
    assert round((parameters(model) - norms) / 1e6, 2) == 8.61


# Sources: github.com/osmr/imgclsmob pytorch/README.md, IGCV3 x0.25 … x1.0; the authors' 0.7 and 1.4 as counted in
# a PyTorch re-implementation (zoo_reference.csv, "IGCV3-D 0.7", "IGCV3-D 1.4").
@pytest.mark.parametrize(
    ("width", "params"), [(0.25, 1_534_020), (0.5, 1_985_528), (0.7, 2_490_294), (0.75, 2_638_084), (1.4, 6_015_164)]
)
def test_igcv3_has_the_published_parameters(width, params):
    assert parameters(IGCV3(width=width)) == params


def test_more_sparse_factors_make_igcv2_smaller():
    assert parameters(IGCV2(factors=3)) < parameters(IGCV2(factors=2))


def test_igcv2_keeps_all_divisions_whole_at_odd_widths():
    assert parameters(IGCV2(width=0.7)) < parameters(IGCV2())


@pytest.mark.parametrize("settings", [{"primary": 0}, {"secondary": 3}])
def test_igcv1_refuses_groups_that_do_not_divide(settings):
    with pytest.raises(SettingError, match="IGCV1"):
        IGCV1(**settings)


def test_igcv2_refuses_a_single_factor():
    with pytest.raises(SettingError, match="factors is 1"):
        IGCV2(factors=1)
