import torch
from torch import nn

from lissome.profiling.profile import profile
from lissome.timing.layer_costs import layer_costs
from lissome.timing.source_graph import SourceGraph


def _costs(model, shape, owners, count):
    source = SourceGraph(model)
    return layer_costs(count, owners, source.source_calls, profile(model, shape))


def test_what_stays_inside_of_a_fused_layer_is_not_moved():
    model = nn.Sequential(nn.Conv2d(3, 8, 1, bias=False), nn.ReLU())
    (fused,) = _costs(model, (1, 3, 4, 4), {0: 0, 1: 0}, 1)
    assert fused.calls == ("0", "1")
    assert fused.macs == 3 * 8 * 16
    assert fused.bytes_moved == 4 * (3 * 16 + 3 * 8 + 8 * 16)
    apart = _costs(model, (1, 3, 4, 4), {0: 0, 1: 1}, 2)
    assert sum(one.bytes_moved for one in apart) == fused.bytes_moved + 2 * 4 * 8 * 16


def test_what_others_read_as_well_leaves_the_layer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(4, 4, 1, bias=False), nn.ReLU()

        def forward(self, x):
            y = self.conv(x)
            return torch.add(self.relu(y), y)

    fused, _ = _costs(Net(), (1, 4, 2, 2), {0: 0, 1: 0, 2: 1}, 2)
    # In: picture and weights; out: both y and relu(y); relu reads y without moving it.
    assert fused.bytes_moved == 4 * (16 + 16 + 16 + 16)


def test_the_second_call_of_a_layer_has_a_cost_of_its_own():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return self.layer(self.layer(x))

    one, two = _costs(Twice(), (1, 4, 2, 2), {0: 0, 1: 1}, 2)
    assert one.macs == two.macs == 64


def test_a_layer_of_the_engines_own_costs_nothing_that_can_be_counted():
    _, copied = _costs(nn.Sequential(nn.ReLU()), (1, 4), {0: 0}, 2)
    assert (copied.calls, copied.macs, copied.bytes_moved) == ((), 0, 0)
