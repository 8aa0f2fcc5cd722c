import copy
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.exporting.to_ncnn_int8 import to_ncnn_int8
from lissome.layers.fake_quantize import FakeQuantize, rounded_weight, with_rounded_weights
from lissome.runtimes.ncnn import Ncnn

pytest.importorskip("ncnn")
INPUT = (torch.zeros(1, 4, 9, 7),)


def rounded(layer):
    scale = layer.weight.detach().abs().flatten(1).amax(1) / 127
    return with_rounded_weights(layer, scale)


def integers_of(x, step):
    # ncnn rounds halves away from zero.
    scaled = x.double() * (1 / step)
    return (scaled.sign() * (scaled.abs() + 0.5).floor()).clamp(-127, 127)


def run(model, images, folder, inputs=INPUT):
    made = to_ncnn_int8(model.eval(), inputs, folder)
    session = Ncnn().load(folder)
    assert session.describe().precision == "int8"
    return made, torch.from_numpy(session.run(images.numpy())[0])


# Kernels of every way in which ncnn computes a convolution: Winograd, matrix product, packed, depthwise, grouped.
CONVOLUTIONS = {
    "small": {"in_channels": 4, "out_channels": 5, "kernel_size": 3, "padding": 1},
    "winograd": {"in_channels": 16, "out_channels": 16, "kernel_size": 3, "padding": 1},
    "strided": {"in_channels": 8, "out_channels": 12, "kernel_size": 3, "stride": 2, "padding": 1},
    "pointwise": {"in_channels": 16, "out_channels": 24, "kernel_size": 1},
    "dilated": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "dilation": 2},
    "depthwise": {"in_channels": 16, "out_channels": 16, "kernel_size": 3, "padding": 1, "groups": 16},
    "grouped": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "padding": 1, "groups": 2},
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_convolution_equals_exact_integers(kind, tmp_path):
    torch.manual_seed(0)
    layer = nn.Conv2d(**CONVOLUTIONS[kind])
    images = torch.randn(3, layer.in_channels, 11, 10)
    step = float(images.abs().max()) / 127
    made, output = run(nn.Sequential(FakeQuantize(step, 0, -127, 127), rounded(layer)), images, tmp_path, (images[:1],))
    steps = layer.weight.detach().abs().flatten(1).amax(1).double() / 127
    if kind == "grouped":  # ncnn has one factor a group
        steps = steps.reshape(layer.groups, -1).amax(1, keepdim=True).expand(-1, 4).reshape(-1)
    shape = (-1, 1, 1, 1)
    weight = (layer.weight.detach().double() / steps.reshape(shape)).round()
    settings = (layer.stride, layer.padding, layer.dilation, layer.groups)
    exact = functional.conv2d(integers_of(images, step), weight, None, *settings)
    exact = exact * step * steps.reshape(1, -1, 1, 1) + layer.bias.detach().reshape(1, -1, 1, 1)
    # In its depthwise kernels ncnn divides with the processor's estimate of 1 / x, which is right to 4e-4.
    limit = 4e-4 if kind == "depthwise" else 2e-6
    assert float((output - exact).abs().max() / exact.abs().max()) < limit
    with torch.no_grad():
        plain, reference = layer(images), made.reference(images)
    assert float((output - plain).abs().max() / exact.abs().max()) > 10 * limit  # floats would be nearer
    # Where an input lies halfway between two integers, torch rounds to the even one.
    assert float((reference - output).abs().max() / exact.abs().max()) < 0.01


def test_int8_is_handed_from_layer_to_layer(tmp_path):
    torch.manual_seed(0)
    first, second, last = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(8, 3)
    model = nn.Sequential(
        FakeQuantize(0.03, 0, -127, 127), rounded(first), nn.ReLU(), FakeQuantize(0.02, 0, -127, 127), rounded(second),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), FakeQuantize(0.02, 0, -127, 127), rounded(last),
    )  # fmt: skip
    images = torch.randn(6, 4, 9, 7)
    made, output = run(model, images, tmp_path)
    lines = (tmp_path / "ncnn/model.param").read_text().splitlines()
    forms = [line.rpartition(" 8=")[2] for line in lines if " 8=" in line]
    assert forms == ["102", "2", "2"]
    with torch.no_grad():
        expected = made.reference(images)
    assert float((output - expected).abs().max() / expected.abs().max()) < 0.02
    assert made.float_layers == ()


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_an_input_from_0_on_uses_all_integers(kind, tmp_path):
    torch.manual_seed(0)
    layer = nn.Conv2d(**CONVOLUTIONS[kind])
    images = torch.rand(3, layer.in_channels, 11, 10)
    made, output = run(nn.Sequential(FakeQuantize(1 / 255, 0), rounded(layer)), images, tmp_path, (images[:1],))
    with torch.no_grad():
        # Its weights are rounded in all of them: a step half as wide leaves a quarter of the input's squared error.
        rounded_layer = made.reference.get_submodule("1")
        expected, reference = rounded_layer(images), made.reference(images)
        coarse = rounded_layer(FakeQuantize(1 / 127, 0, -127, 127)(images))
    error = float((output - expected).square().mean())
    assert error < 0.5 * float((coarse - expected).square().mean())
    assert float((reference - output).abs().max() / expected.abs().max()) < 0.01


def test_relu_hands_int8_on_upside_down_and_depthwise_layers_do_so_too(tmp_path):
    torch.manual_seed(0)
    layers = [nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.Conv2d(8, 16, 1)]
    model = nn.Sequential(
        FakeQuantize(0.03, 128), rounded(layers[0]), nn.ReLU6(), FakeQuantize(2 / 255, 0),
        rounded(layers[1]), nn.ReLU(), FakeQuantize(1 / 255, 0), rounded(layers[2]),
        nn.ReLU(), FakeQuantize(0.5 / 255, 0), rounded(nn.Conv2d(16, 3, 3, padding=1)),
    )  # fmt: skip
    images = torch.randn(6, 4, 9, 7)
    made, output = run(model, images, tmp_path)
    lines = (tmp_path / "ncnn/model.param").read_text().splitlines()
    assert [line.split()[0] for line in lines[2:]].count("BinaryOp") == 0
    assert [re.search(r" 8=(\d+)", line)[1] for line in lines if " 8=" in line] == ["102", "101", "102", "2"]
    assert not any(" 9=" in line for line in lines)
    with torch.no_grad():
        expected = made.reference(images)
    assert float((output - expected).abs().max() / expected.abs().max()) < 0.02


def test_relu_that_a_sum_reads_too_is_turned_before_the_layer(tmp_path):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = rounded(nn.Conv2d(4, 4, 3, padding=1)), rounded(nn.Conv2d(4, 4, 3, padding=1))
            self.entry, self.middle = FakeQuantize(0.03, 128), FakeQuantize(2 / 255, 0)

        def forward(self, x):
            middle = self.middle(torch.relu(self.first(self.entry(x))))
            return middle + self.second(middle)

    torch.manual_seed(0)
    images = torch.randn(6, 4, 9, 7)
    made, output = run(Residual(), images, tmp_path)
    assert "BinaryOp" in (tmp_path / "ncnn/model.param").read_text()
    with torch.no_grad():
        expected = made.reference(images)
    assert float((output - expected).abs().max() / expected.abs().max()) < 0.02


def test_what_is_not_rounded_on_the_way_in_stays_float_and_is_named(tmp_path):
    torch.manual_seed(0)
    first, second = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 3)
    model = nn.Sequential(FakeQuantize(0.03, 128), rounded(first), nn.Sigmoid(), rounded(second))
    images = torch.randn(2, 4, 9, 7)
    made, output = run(model, images, tmp_path)
    assert made.float_layers == ("3",)
    with torch.no_grad():
        expected = made.reference(images)
    assert torch.allclose(output, expected, atol=1e-3)


def test_a_layer_called_twice_is_int8_in_all_its_calls(tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = rounded(nn.Conv2d(4, 4, 3, padding=1))
            self.first, self.second = FakeQuantize(0.03, 0, -127, 127), FakeQuantize(0.01, 0, -127, 127)

        def forward(self, x):
            return self.conv(self.second(torch.sigmoid(self.conv(self.first(x)))))

    torch.manual_seed(0)
    made, output = run(Twice(), torch.randn(2, 4, 9, 7), tmp_path)
    assert made.float_layers == ()
    assert len(re.findall(r" 8=(?:10)?2\b", (tmp_path / "ncnn/model.param").read_text())) == 2
    assert output.shape == (2, 4, 9, 7)


def test_the_model_is_left_as_it_was_and_the_files_are_smaller(tmp_path):
    torch.manual_seed(0)
    layer = rounded(nn.Conv2d(4, 64, 3))
    before = copy.deepcopy(layer.state_dict())
    run(nn.Sequential(FakeQuantize(0.03, 128), layer), torch.randn(1, 4, 9, 7), tmp_path)
    assert all(torch.equal(one, layer.state_dict()[name]) for name, one in before.items())
    size = (tmp_path / "ncnn/model.bin").stat().st_size
    assert size == 4 + 64 * 36 + 4 * (64 + 64 + 1)
    data = np.frombuffer((tmp_path / "ncnn/model.bin").read_bytes()[4 : 4 + 64 * 36], np.int8)
    integers = rounded_weight(layer).detach() / layer.weight_scale.reshape(-1, 1, 1, 1)
    assert np.array_equal(data, integers.round().numpy().astype(np.int8).reshape(-1))
