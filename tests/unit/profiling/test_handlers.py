"""Operations by formula: to the unit where the formula is published, against torch's own counter for products."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from lissome.profiling.handlers import HANDLERS, operator_of
from lissome.profiling.profile import profile


class One(nn.Module):
    """A function of one tensor as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Two(One):
    def forward(self, x, y):
        return self.function(x, y)


class Three(One):
    def forward(self, x, y, z):
        return self.function(x, y, z)


def flops_of(function, *shapes):
    cost = profile((One, Two, Three)[len(shapes) - 1](function), shapes)
    assert cost.unknown == ()
    return cost.flops


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_by_the_formula(groups, bias):
    channels, made, kernel, height, width = 4, 8, 3, 5, 6
    cost = profile(nn.Conv2d(channels, made, kernel, padding=1, groups=groups, bias=bias), (1, channels, height, width))
    products = channels // groups * kernel**2
    assert cost.flops == (2 * products - (not bias)) * height * width * made
    assert cost.macs == products * height * width * made
    (row,) = cost.rows
    assert (row.groups, row.kernel) == (groups, (kernel, kernel))


@pytest.mark.parametrize(("bias", "flops"), [(False, (2 * 7 - 1) * 5), (True, 2 * 7 * 5)])
def test_fully_connected_by_the_formula(bias, flops):
    cost = profile(nn.Linear(7, 5, bias=bias), (1, 7))
    assert (cost.flops, cost.macs) == (flops, 35)


PRODUCTS = [
    (nn.Conv2d(6, 8, 3, groups=2, stride=2), (2, 6, 9, 9)),
    (nn.Conv1d(6, 8, 3, dilation=2), (2, 6, 9)),
    (nn.Conv3d(2, 3, (1, 2, 3)), (1, 2, 4, 5, 6)),
    (nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2), (2, 6, 5, 5)),
    (nn.Linear(6, 4), (3, 2, 6)),
]


@pytest.mark.parametrize(("layer", "shape"), PRODUCTS, ids=lambda one: type(one).__name__)
def test_multiply_adds_are_those_of_torchs_own_counter(layer, shape):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.zeros(shape))
    assert 2 * profile(layer, shape).macs == counter.get_total_flops()


@pytest.mark.parametrize(
    ("forward", "shapes", "inner"),
    [
        (lambda x, y: x @ y, [(2, 3, 4), (2, 4, 5)], 4),
        (lambda x, y: torch.matmul(x, y), [(3, 4), (4, 5)], 4),
        (lambda x, y: x.bmm(y), [(2, 3, 4), (2, 4, 5)], 4),
        (lambda x, y: torch.einsum("bij,bjk->bik", x, y), [(2, 3, 4), (2, 4, 5)], 4),
        (lambda x, y: torch.einsum("...ij,...jk->...ik", x, y), [(2, 3, 4), (2, 4, 5)], 4),
    ],
)
def test_products_of_activations_have_flops_and_no_macs(forward, shapes, inner):
    with FlopCounterMode(display=False) as counter:
        made = forward(*(torch.zeros(one) for one in shapes))
    flops = flops_of(forward, *shapes)
    assert flops == made.numel() * (2 * inner - 1)
    assert flops + made.numel() == counter.get_total_flops()


def test_a_product_and_a_sum():
    assert flops_of(torch.addmm, (3, 5), (3, 4), (4, 5)) == 3 * 5 * 2 * 4


def test_attention_is_two_products_a_scale_and_a_softmax():
    heads, length, width = 2, 5, 4
    flops = flops_of(functional.scaled_dot_product_attention, *[(1, heads, length, width)] * 3)
    scores = heads * length**2
    assert flops == scores * (2 * width - 1) + scores + 5 * scores + heads * length * width * (2 * length - 1)


def test_an_attention_layer_is_its_projections_and_the_attention():
    layer, (length, width) = nn.MultiheadAttention(8, 2, batch_first=True), (5, 8)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = layer

        def forward(self, x):
            return self.attention(x, x, x)[0]

    cost = profile(Net(), (1, length, width))
    assert cost.macs == 4 * length * width**2
    scores = 2 * length**2
    attention = scores * (2 * 4 - 1) + 6 * scores + 2 * length * 4 * (2 * length - 1)
    assert cost.flops == 2 * cost.macs + attention


@pytest.mark.parametrize(
    ("forward", "flops"),
    [
        (lambda x: x + x, 128),
        (lambda x: x * 2, 128),
        (lambda x: x.sigmoid(), 4 * 128),
        (functional.relu, 128),
        (functional.hardswish, 5 * 128),
        (lambda x: x.softmax(1), 5 * 128),
        (lambda x: functional.max_pool2d(x, 2), 3 * 32),
        (lambda x: functional.avg_pool2d(x, 2), 4 * 32),
        (lambda x: functional.adaptive_avg_pool2d(x, 1), 128),
        (lambda x: x.mean((2, 3)), 128),
        (lambda x: x.sum(1), 128 - 16),
        (lambda x: x.amax((2, 3)), 128 - 8),
        (lambda x: functional.interpolate(x, scale_factor=2), 0),
        (lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"), 9 * 512),
        (lambda x: functional.layer_norm(x, (4, 4)), 5 * 128),
        (lambda x: torch.cat([x, x], 1), 0),
        (lambda x: functional.pad(x, (1, 1)), 0),
        (lambda x: x.reshape(2, -1).transpose(0, 1), 0),
    ],
)
def test_everything_else_on_128_numbers(forward, flops):
    assert flops_of(forward, (1, 8, 4, 4)) == flops


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.ReLU6(), functional.relu6),
        (nn.SiLU(), functional.silu),
        (nn.Softmax(1), lambda x: functional.softmax(x, 1)),
        (nn.MaxPool2d(3, 2, 1), lambda x: functional.max_pool2d(x, 3, 2, 1)),
        (nn.AvgPool2d(2), lambda x: functional.avg_pool2d(x, 2)),
        (nn.Upsample(scale_factor=2), lambda x: functional.interpolate(x, scale_factor=2)),
        (nn.ZeroPad2d(1), lambda x: functional.pad(x, (1, 1, 1, 1))),
    ],
)
def test_a_layer_costs_what_its_function_costs(layer, function):
    one, other = (profile(net, (1, 8, 4, 4)) for net in (layer, One(function)))
    assert (one.flops, one.bytes_moved, one.peak_memory.separate.peak_bytes) == (
        *(other.flops, other.bytes_moved),
        other.peak_memory.separate.peak_bytes,
    )


def test_an_unknown_operator_is_listed_and_shown():
    class Net(nn.Module):
        def forward(self, x):
            return torch.fft.fft2(x).real + torch.erfinv(x)

    cost = profile(Net(), (1, 2, 4, 4))
    assert cost.unknown == ("fft_fft2", "erfinv")
    assert "not counted, as nobody knows their formula: fft_fft2, erfinv" in str(cost)
    assert "fft_fft2 (not counted)" in str(cost)
    assert cost.to_dict()["unknown"] == ["fft_fft2", "erfinv"]


def test_a_view_is_no_unknown_operator_and_moves_nothing():
    class Net(nn.Module):
        def forward(self, x):
            return x.mT.diagonal(0, 2, 3)

    cost = profile(Net(), (1, 2, 4, 4))
    assert (cost.unknown, cost.bytes_moved) == ((), 0)


def test_a_subclass_is_what_its_base_is():
    class Mine(nn.Conv2d):
        pass

    assert operator_of(Mine(1, 1, 1)) == "conv2d"


def test_every_family_has_a_handler_and_no_operator_two():
    from lissome.profiling import handlers

    assert set(handlers._TABLE["families"]) == set(HANDLERS)
    names = [name for names in handlers._TABLE["families"].values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) & set(handlers._ELEMENTWISE) == set()
    assert set(handlers._LAYERS.values()) <= {*names, *handlers._ELEMENTWISE}
