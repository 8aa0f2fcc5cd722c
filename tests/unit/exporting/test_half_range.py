import pytest
import torch
from torch import nn

from lissome.exporting.half_range import LARGEST, beyond_half_range


def net(scale):
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 1, 1, bias=False)).eval()
    nn.init.constant_(model[0].weight, scale)
    nn.init.constant_(model[2].weight, 1 / scale)
    return model


def test_layers_that_leave_the_range_are_named_in_order():
    notes = beyond_half_range(net(40000.0), (torch.ones(2, 1, 3, 3),))
    assert [note.layer for note in notes] == ["0", "1", "0.weight"]
    assert not any(note.applied for note in notes)
    assert "reaches 4e+04, beyond 3.28e+04: float16 ends at 65504" in notes[0].reason


@pytest.mark.parametrize(("value", "found"), [(32751.0, 0), (32753.0, 3)])
def test_half_the_range_is_the_limit(value, found):
    assert len(beyond_half_range(net(value), (torch.ones(1, 1, 1, 1),))) == found
    assert beyond_half_range(net(value), (torch.ones(1, 1, 1, 1),), limit=LARGEST) == ()


def test_what_is_not_finite_is_beyond():
    class Divide(nn.Module):
        def forward(self, x):
            return x / 0

    assert [note.layer for note in beyond_half_range(nn.Sequential(Divide()), (torch.ones(1, 2),))] == ["0", "output"]


def test_no_hook_stays():
    model = net(1.0)
    beyond_half_range(model, (torch.ones(1, 1, 1, 1),))
    assert not any(one._forward_hooks for one in model.modules())
