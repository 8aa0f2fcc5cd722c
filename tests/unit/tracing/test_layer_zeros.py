"""Zeros in the shape of what a layer makes, or the layer itself."""

import pytest
import torch
from torch import nn

from lissome.tracing.layer_zeros import zeros_of
from lissome.tracing.propagate import propagate

LAYERS = {
    "conv1d": (nn.Conv1d(4, 6, 5, 2, 3, 2), (2, 4, 17)),
    "conv2d": (nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0)), (2, 4, 9, 8)),
    "grouped": (nn.Conv2d(4, 8, 3, groups=4, bias=False), (1, 4, 5, 5)),
    "circular": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), (1, 4, 5, 5)),
    "conv3d": (nn.Conv3d(4, 6, 3, dilation=2), (1, 4, 6, 7, 8)),
    "batch norm": (nn.BatchNorm2d(4), (2, 4, 3, 3)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_the_shape_is_that_of_the_layer(case):
    layer, shape = LAYERS[case]
    x = torch.randn(shape)
    made, expected = zeros_of(layer.eval(), x), layer(x)
    assert (made.shape, made.dtype) == (expected.shape, expected.dtype)


def hooked():
    layer = nn.Conv2d(4, 6, 3)
    layer.register_forward_hook(lambda module, inputs, output: output[:, :2])
    return layer


CALLED = {
    "another layer": (nn.ConvTranspose2d(4, 6, 3), (1, 4, 5, 5)),
    "words for padding": (nn.Conv2d(4, 6, 3, padding="same"), (1, 4, 5, 5)),
    "no batch": (nn.Conv2d(4, 6, 3), (4, 5, 5)),
    "wrong channels": (nn.Conv2d(4, 6, 3), (1, 3, 5, 5)),
    "too small": (nn.Conv2d(4, 6, 3), (1, 4, 2, 2)),
    "wrong channels of a norm": (nn.BatchNorm2d(4), (1, 3, 5, 5)),
    "hooked": (hooked(), (1, 4, 5, 5)),
}


@pytest.mark.parametrize("case", CALLED)
def test_what_is_not_plain_is_called(case):
    layer, shape = CALLED[case]
    assert zeros_of(layer.eval(), torch.randn(shape)) is None


def test_where_zeros_are_in_the_way_the_numbers_are_used():
    class Peaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, x):
            return self.last(x[:, :, 0, :4].flatten(1)[:, : self.conv(x).nonzero().shape[0]][:, :4])

    with torch.no_grad():
        channels = propagate(Peaks().eval(), (torch.ones(1, 3, 4, 4),))
    assert channels.outputs.shape == (1, 2)
