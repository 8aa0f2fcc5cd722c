"""The shortcut without parameters."""

import pytest
import torch

from lissome.core.errors import SettingError
from lissome.layers.pad_shortcut import PadShortcut


def test_keeps_every_second_pixel_between_zeros():
    x = torch.randn(2, 4, 5, 6)
    y = PadShortcut(4, 10, stride=2)(x)
    assert y.shape == (2, 10, 3, 3)
    assert torch.equal(y[:, 3:7], x[:, :, ::2, ::2])
    assert not y[:, :3].any()
    assert not y[:, 7:].any()


def test_has_no_parameters_and_traces_to_plain_operators():
    shortcut = PadShortcut(4, 8, stride=2)
    assert list(shortcut.parameters()) == []
    operators = [node.op for node in torch.fx.symbolic_trace(shortcut).graph.nodes]
    assert operators == ["placeholder", "call_function", "call_function", "output"]


@pytest.mark.parametrize("out_channels", [7, 2])
def test_odd_or_negative_growth_is_refused(out_channels):
    with pytest.raises(SettingError, match=f"4 channels cannot be padded evenly to {out_channels}"):
        PadShortcut(4, out_channels, stride=2)
