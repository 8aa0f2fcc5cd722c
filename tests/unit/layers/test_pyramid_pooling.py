"""Windows side by side, or one after the other."""

import pytest
import torch

import lissome as ls
from lissome.layers.pyramid_pooling import PyramidPooling, PyramidPoolingFast


def test_one_after_the_other_equals_side_by_side():
    slow = PyramidPooling(8, 6).eval()
    fast = PyramidPoolingFast(8, 6).eval()
    fast.load_state_dict(slow.state_dict())
    x = torch.randn(2, 8, 15, 17)
    assert torch.equal(fast(x), slow(x))


def test_a_place_sees_the_maximum_of_its_window():
    layer = PyramidPooling(2, 1, (3,)).eval()
    seen = []
    layer.merge.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    layer(torch.randn(1, 2, 5, 5))
    assert torch.equal(seen[0][0, 1, 2, 2], seen[0][0, 0, 1:4, 1:4].max())


def test_even_windows_are_refused():
    with pytest.raises(ls.SettingError, match=r"windows are \(4,\)"):
        PyramidPooling(8, 8, (4,))
    with pytest.raises(ls.SettingError, match="times is 0"):
        PyramidPoolingFast(8, 8, times=0)
