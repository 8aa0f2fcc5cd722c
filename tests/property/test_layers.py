"""Every kind of layer between two convolutions: a channel of zeros goes unnoticed, or all stay."""

import pytest
import torch
from torch import nn

from lissome.core.module_graph import LeafModule
from lissome.layers.channel_selection import ChannelSelection
from lissome.layers.fake_quantize import FakeQuantize, QuantizedConv2d, QuantizedLinear
from lissome.layers.folded_norm import FoldedNorm
from lissome.tracing.layer_rules import LAYER_RULES


class Between(nn.Module):
    def __init__(self, *layers, dimensions=2, **settings):
        super().__init__()
        kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.maker = kind(3, 8, 3, padding=1, **settings)
        self.tested = nn.Sequential(*layers)
        with torch.no_grad():
            shape = self.tested.eval()(self.maker(torch.randn(2, 3, *[4] * dimensions))).shape
        self.reader = kind(shape[1], 3, 1) if len(shape) == dimensions + 2 else nn.Linear(shape[-1], 3)
        for norm in self.modules():  # statistics and scales that would be missed
            for name in ("running_mean", "running_var", "weight", "bias"):
                if hasattr(norm, "eps") and getattr(norm, name, None) is not None:
                    nn.init.uniform_(getattr(norm, name), 0.5, 1.5)

    def forward(self, x):
        return self.reader(self.tested(self.maker(x)))


class ChannelsLast(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


EXACT = {
    "conv": lambda: Between(nn.Conv2d(8, 6, 3, bias=False)),
    "circular conv": lambda: Between(nn.Conv2d(8, 6, 3, padding=1, padding_mode="circular")),
    "grouped": lambda: Between(nn.Conv2d(8, 12, 3, groups=2)),
    "grouped to fewer": lambda: Between(nn.Conv2d(8, 4, 3, groups=4)),
    "depthwise": lambda: Between(nn.Conv2d(8, 8, 3, groups=8)),
    "depthwise with multiplier": lambda: Between(nn.Conv2d(8, 24, 3, groups=8, bias=False)),
    "transposed": lambda: Between(nn.ConvTranspose2d(8, 6, 2, stride=2)),
    "transposed grouped": lambda: Between(nn.ConvTranspose2d(8, 12, 3, groups=2)),
    "transposed depthwise": lambda: Between(nn.ConvTranspose2d(8, 8, 2, stride=2, groups=8)),
    "transposed depthwise with multiplier": lambda: Between(nn.ConvTranspose2d(8, 16, 2, groups=8)),
    "fake quantize": lambda: Between(FakeQuantize(0.01, 3)),
    "conv1d": lambda: Between(nn.Conv1d(8, 6, 3), dimensions=1),
    "conv3d": lambda: Between(nn.Conv3d(8, 6, 3), nn.BatchNorm3d(6), dimensions=3),
    "linear of last axis": lambda: Between(ChannelsLast(nn.Linear(8, 6))),
    "flatten, linear": lambda: Between(nn.Flatten(), nn.Linear(128, 6), nn.ReLU()),
    "batch norm": lambda: Between(nn.BatchNorm2d(8), bias=False),
    "batch norm without scale": lambda: Between(nn.ReLU(), nn.BatchNorm2d(8, affine=False), nn.Conv2d(8, 8, 1)),
    "batch norm of a flat map": lambda: Between(nn.Flatten(), nn.BatchNorm1d(128)),
    "batch norm 1d": lambda: Between(nn.BatchNorm1d(8), dimensions=1),
    "folded batch norm": lambda: Between(FoldedNorm(8)),
    "instance norm": lambda: Between(nn.InstanceNorm2d(8, affine=True)),
    "instance norm with statistics": lambda: Between(nn.InstanceNorm2d(8, affine=True, track_running_stats=True)),
    "instance norm without scale": lambda: Between(nn.InstanceNorm2d(8)),
    "instance norm 1d": lambda: Between(nn.InstanceNorm1d(8, affine=True), dimensions=1),
    "group norm, a group a channel": lambda: Between(nn.GroupNorm(8, 8)),
    "group norm, a group a channel, without scale": lambda: Between(nn.GroupNorm(8, 8, affine=False)),
    "prelu": lambda: Between(nn.PReLU(8)),
    "prelu of one slope": lambda: Between(nn.PReLU()),
    "prelu of a flat map": lambda: Between(nn.Flatten(), nn.PReLU(128)),
    "pools": lambda: Between(nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(2)),
    "lp pool": lambda: Between(nn.LPPool2d(2, 2)),
    "pads": lambda: Between(
        nn.ZeroPad2d(1), nn.ReflectionPad2d(2), nn.ReplicationPad2d((0, 1, 2, 0)), nn.ConstantPad2d(1, 0.0)
    ),
    "upsample": lambda: Between(nn.Upsample(scale_factor=2, mode="bilinear")),
    "activations": lambda: Between(
        nn.ReLU(), nn.Hardswish(), nn.SiLU(), nn.GELU(), nn.LeakyReLU(), nn.Identity(), nn.Dropout()
    ),
    "channel shuffle": lambda: Between(nn.ChannelShuffle(4)),
    "pixel shuffle": lambda: Between(nn.PixelShuffle(2)),
    "pixel unshuffle": lambda: Between(nn.PixelUnshuffle(2)),
    "unflatten": lambda: Between(nn.Unflatten(1, (2, 4)), nn.Flatten(1, 2)),
    "unflatten of an unknown size": lambda: Between(nn.Unflatten(1, (4, -1)), nn.Flatten(1, 2)),
}


@pytest.mark.parametrize("case", EXACT)
def test_zeros_go_unnoticed(case, zeros_cut):
    network = EXACT[case]()
    dimensions = network.maker.weight.dim() - 2
    cut = zeros_cut(network, torch.randn(2, 3, *[4] * dimensions))
    assert "maker" in cut.layers
    assert cut.worst < 1e-10


QUANTIZED = {
    "conv": lambda: Between(QuantizedConv2d(8, 6, 3)),
    "depthwise": lambda: Between(QuantizedConv2d(8, 8, 3, groups=8)),
    "linear": lambda: Between(nn.Flatten(), QuantizedLinear(128, 5)),
}


@pytest.mark.parametrize("case", QUANTIZED)
def test_scales_of_rounded_weights_follow_their_channels(case, zeros_cut):
    network = QUANTIZED[case]()
    quantized = network.tested[-1]
    quantized.weight_scale = 0.001 * (1 + torch.arange(len(quantized.weight_scale)))
    cut = zeros_cut(network, torch.randn(2, 3, 4, 4), dtype=torch.float32)
    assert "maker" in cut.layers
    assert len(cut.after.tested[-1].weight_scale) < len(quantized.weight_scale)
    assert cut.worst < 1e-5


APPROXIMATE = {
    "group norm": lambda: Between(nn.GroupNorm(2, 8)),
    "group norm without scale": lambda: Between(nn.GroupNorm(4, 8, affine=False)),
    "layer norm of channels": lambda: Between(ChannelsLast(nn.LayerNorm(8))),
    "local response norm": lambda: Between(nn.LocalResponseNorm(5)),
}


@pytest.mark.parametrize("case", APPROXIMATE)
def test_where_channels_are_averaged_they_go_together_but_not_unnoticed(case, zeros_cut):
    cut = zeros_cut(APPROXIMATE[case](), torch.randn(2, 3, 4, 4), seed=1)
    assert "maker" in cut.layers
    assert 1e-10 < cut.worst < 10
    cut.after(cut.inputs[0]).sum().backward()


class TwoTensors(LeafModule):
    def forward(self, x, y):
        return x + y


class Joined(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.maker, self.join, self.reader = nn.Conv2d(3, 8, 1), join, nn.Conv2d(8, 2, 1)

    def forward(self, x):
        y = self.maker(x)
        return self.reader(self.join(y, y))


class Scaled(LeafModule):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x):
        return x * self.scale


STAY = {
    "channel selection": (lambda: Between(ChannelSelection(8, 5)), "is read through a selection of channels"),
    "linear of positions": (lambda: Between(nn.Flatten(2), nn.Linear(16, 6), nn.ReLU()), "mixed along another axis"),
    "softmax": (lambda: Between(nn.Softmax(1)), "Softmax at tested.0 depends on every channel"),
    "softmax over pixels": (lambda: Between(nn.Softmax2d()), "Softmax2d at tested.0"),
    "layer norm of several axes": (lambda: Between(nn.LayerNorm((8, 4, 4))), "normalised over several axes"),
    "two tensors": (lambda: Joined(TwoTensors()), "no rule for TwoTensors at join"),
    "parameters of its own": (lambda: Between(Scaled()), "no rule for Scaled at tested.0"),
    "half of the channels": (lambda: Between(nn.GLU(1)), "no rule for GLU"),
    "patches": (lambda: Between(nn.Unfold(2), nn.Flatten()), "no rule for Unfold"),
    "selected": (lambda: Between(ChannelSelection(8, 6)), "is read through a selection"),
    "several results": (lambda: Between(nn.MaxPool2d(2, return_indices=True), First()), "no rule for MaxPool2d"),
    "convolution along channels": (
        lambda: Between(
            nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Unflatten(1, (1, 8)), nn.Conv1d(1, 1, 3, padding=1)
        ),
        "mixed along another axis",
    ),
}


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


@pytest.mark.parametrize("case", STAY)
def test_what_cannot_go_stays_and_says_why(case, zeros_cut):
    build, reason = STAY[case]
    cut = zeros_cut(build(), torch.randn(2, 3, 4, 4))
    assert "maker" not in cut.layers
    assert any(reason in one for one in cut.reasons)


def test_every_rule_is_tried():
    tables = [*EXACT.values(), *APPROXIMATE.values(), *(build for build, _ in STAY.values())]
    layers = [layer for build in tables for layer in build().modules()]
    untried = [kind.__name__ for kind in LAYER_RULES if not any(isinstance(layer, kind) for layer in layers)]
    assert untried == ["LogSoftmax", "Softmin", "CrossMapLRN2d"]  # the same rule as Softmax
