"""Building by name: settings, refusals, seeds."""

import pytest
import torch

from lissome.core.errors import SettingError, UnknownNameError
from lissome.models.create import create


def test_settings_reach_the_network():
    model = create("mobilenet_v2", classes=5, width=0.5, input_channels=1, small_input=True)
    with torch.no_grad():
        assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 5)
    assert model.head.conv.out_channels == 1280
    assert not model.training


def test_small_input_keeps_pixels():
    with torch.no_grad():
        kept = create("mobilenet_v2", small_input=True).blocks(torch.zeros(1, 32, 32, 32))
        lost = create("mobilenet_v2").blocks(torch.zeros(1, 32, 16, 16))
    assert kept.shape[-1] == 4
    assert lost.shape[-1] == 1


def test_unknown_name_suggests():
    with pytest.raises(UnknownNameError, match=r"did you mean .*'mobilenet_v2'"):
        create("mobilenetv2")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 0}, "classes is 0"),
        ({"classes": -3}, "classes is -3"),
        ({"width": 0.0}, "width is 0.0"),
        ({"width": float("nan")}, "width is nan"),
        ({"width": float("inf")}, "width is inf"),
        ({"input_channels": 0}, "input_channels is 0"),
        ({"small_input": True}, "resnet20: this network has no setting small_input"),
    ],
)
def test_settings_out_of_range_or_absent_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        create("resnet20", **settings)


def test_same_seed_same_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, same, other = (create("resnet20", seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one, same[name]) for name, one in first.items())
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])


def test_width_of_the_call_overrides_the_entrys():
    narrow, wide = (create("resnet20", width=width) for width in (0.5, 2.0))
    assert (narrow.stem.conv.out_channels, wide.stem.conv.out_channels) == (8, 32)
