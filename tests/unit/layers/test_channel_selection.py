"""Some channels by number, as a gather and as slices."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.layers.channel_selection import ChannelSelection, ChannelSlices, with_slices


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_slices_are_the_same_channels(numbers):
    x, selection = torch.randn(2, 10, 3), ChannelSelection(10, 5)
    selection.index = torch.tensor(numbers)
    assert torch.equal(selection(x), x[:, numbers])
    assert torch.equal(ChannelSlices(selection.index)(x), x[:, numbers])


def test_runs_are_one_slice():
    assert ChannelSlices(torch.tensor([2, 3, 4, 8, 1])).pieces == [(2, 5), (8, 9), (1, 2)]


def test_every_selection_of_a_model_is_written_as_slices():
    model = with_slices(nn.Sequential(ChannelSelection(4, 2), nn.Sequential(ChannelSelection(2, 2), nn.ReLU())))
    kinds = [type(layer).__name__ for layer in model.modules() if not isinstance(layer, nn.Sequential)]
    assert kinds == ["ChannelSlices", "ChannelSlices", "ReLU"]
