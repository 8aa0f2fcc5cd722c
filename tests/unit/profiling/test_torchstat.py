"""torchstat's columns: its published totals and rows of VGG-16, and its formulas for the other layers."""

import pytest
import torch
from torch import nn

from lissome.models.create import create
from lissome.profiling.profile import profile
from lissome.profiling.torchstat import TorchstatCount


@pytest.fixture(scope="module")
def table():
    with torch.device("meta"):
        network = create("vgg16")
    return profile(network, (1, 3, 224, 224), convention="torchstat").to_dict()


def test_the_totals_of_vgg16(table):
    assert {name: table[name] for name in ("params", "madd", "flops", "memory_read_written")} == {
        "params": 138_357_544,
        "madd": 30_958_666_264,
        "flops": 15_503_489_024,
        "memory_read_written": 783_170_624,
    }
    assert round(table["memory_mib"], 2) == 109.39
    assert round(table["memory_read_written"] / 2**20, 2) == 746.89


@pytest.mark.parametrize(
    ("layer", "figures"),
    [
        (
            "features.0",
            {"madd": 173_408_256, "flops": 89_915_392, "memory_read": 609_280, "memory_written": 12_845_056},
        ),
        ("classifier.0", {"madd": 205_516_800, "flops": 102_760_448}),
    ],
)
def test_rows_of_vgg16(table, layer, figures):
    (row,) = [one for one in table["rows"] if one["layer"] == layer]
    assert {name: row[name] for name in figures} == figures


def test_its_rows_are_layers_and_sum_up_to_the_totals(table):
    assert {one["kind"] for one in table["rows"]} == {
        *("Conv2d", "ReLU", "MaxPool2d", "AdaptiveAvgPool2d", "Linear", "Dropout")
    }
    for name in ("params", "madd", "flops", "memory_read", "memory_written"):
        assert sum(one[name] for one in table["rows"]) == table[name]


@pytest.mark.parametrize(
    ("layer", "shape", "count"),
    [
        (nn.BatchNorm2d(4), (1, 4, 2, 2), (64, 32, 96, 64)),
        (nn.BatchNorm2d(4, affine=False), (1, 4, 2, 2), (64, 16, 96, 64)),
        (nn.MaxPool2d(2), (1, 4, 4, 4), (48, 64, 256, 64)),
        (nn.AvgPool2d(2), (1, 4, 4, 4), (64, 64, 256, 64)),
        (nn.PReLU(), (1, 4, 2, 2), (0, 16, 68, 64)),
        (nn.LeakyReLU(), (1, 4, 2, 2), (0, 16, 64, 64)),
        (nn.Softmax(1), (1, 8), (23, 0, 0, 0)),
        (nn.Upsample(scale_factor=2), (1, 1, 2, 2), (0, 16, 0, 0)),
        (nn.Sigmoid(), (1, 8), (0, 0, 0, 0)),
        (nn.Conv2d(4, 8, 3, groups=2, bias=False), (1, 4, 3, 3), (35 * 8, 36 * 4, 4 * (36 + 144), 32)),
        (nn.ConvTranspose2d(4, 2, 2, bias=False), (1, 4, 2, 2), (31 * 4 * 2, 0, 0, 0)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_other_layers(layer, shape, count):
    (row,) = profile(layer, shape, convention="torchstat").rows
    made = 4 * torch.Size(row.output[1:]).numel()
    madd, flops, read, written = count
    assert row.torchstat == TorchstatCount(
        madd=madd, flops=flops, memory_read=read, memory_written=written, memory_bytes=made
    )


def test_functions_are_not_seen():
    class Net(nn.Module):
        def forward(self, x):
            return x + x

    table = profile(Net(), (1, 4), convention="torchstat").to_dict()
    assert (table["rows"], table["madd"]) == ([], 0)
