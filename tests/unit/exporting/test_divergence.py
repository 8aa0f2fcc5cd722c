import copy

import pytest
import torch
from torch import nn

from lissome.exporting import divergence
from lissome.exporting.converters import CONVERTERS, Conversion
from lissome.exporting.divergence import first_divergence
from lissome.exporting.parity import FLOAT
from lissome.exporting.samples import Samples

SAMPLES = Samples((torch.randn(3, 3, 8, 8),), "noise")


class Net(nn.Module):
    def __init__(self, depth=6):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.blocks = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(depth))
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = torch.relu(block(x)) + x
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
@pytest.mark.parametrize("culprit", ["stem", "blocks.0", "blocks.3", "blocks.5", "head"])
def test_the_first_layer_that_differs_is_found(monkeypatch, engine, culprit):
    if engine == "ncnn" and culprit not in ("blocks.3", "head"):
        pytest.skip("two places are enough for the slower converter")
    tries = []

    def wrong(model, examples, folder):
        broken = copy.deepcopy(model)
        for name, layer in broken.named_modules():
            if name == culprit:
                layer.weight.data.mul_(1.5)
        tries.append(culprit)
        CONVERTERS[engine](broken, examples, folder)
        return Conversion(model)

    monkeypatch.setattr(divergence, "CONVERTERS", {**CONVERTERS, engine: wrong})
    found = first_divergence(engine, Net().eval(), SAMPLES, FLOAT)
    assert found.startswith(f"{culprit} (output differs by ")
    assert len(tries) <= 7  # 21 nodes, halved each time


def test_a_network_that_agrees_has_none():
    assert first_divergence("onnxruntime", Net(1).eval(), SAMPLES, FLOAT) is None


def test_a_network_that_cannot_be_cut_has_none():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    assert first_divergence("onnxruntime", Branch(), SAMPLES, FLOAT) is None
