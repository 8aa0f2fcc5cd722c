"""Integers alone, against exact arithmetic and against what onnxruntime computes."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import EngineError
from lissome.exporting.to_onnx import to_onnx
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights
from lissome.runtimes.onnxruntime import OnnxRuntime
from lissome.runtimes.reference import IntegerReference, rescaled


def rounded(layer):
    return with_rounded_weights(layer, layer.weight.detach().abs().flatten(1).amax(1) / 127)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.one, self.two, self.sum, self.mean = (
            FakeQuantize(*each) for each in ((0.02, 128), (0.013, 0), (0.017, 120), (0.021, 0), (0.009, 0))
        )
        self.stem, self.tail = rounded(nn.Conv2d(3, 8, 3, padding=1)), rounded(nn.Conv2d(8, 8, 3, padding=1, groups=4))
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), rounded(nn.Linear(8, 5))

    def forward(self, x):
        x = self.one(torch.relu(self.stem(self.enter(x))))
        x = self.sum(torch.relu(x + self.two(self.tail(x))))
        return self.classifier(self.mean(torch.flatten(self.pool(x), 1)))


@pytest.fixture
def files(tmp_path):
    torch.manual_seed(0)
    model = Residual().eval()
    to_onnx(model, (torch.rand(1, 3, 8, 8),), tmp_path / "graph.onnx")
    return model, tmp_path


def test_rescaling_is_exact_for_factors_of_31_bits():
    generator = np.random.default_rng(0)
    values = generator.integers(-(2**30), 2**30, 200)
    for factor in (0.37, 1e-5, 3.0, 0.5, 2.0**-20):
        exact = [round(Fraction(int(one)) * Fraction(factor)) for one in values]  # halves to even, too
        # A factor that 31 bits hold is exact; another is off by 2^-31 of itself.
        off = np.abs(rescaled(values, np.array(factor)) - exact).max()
        assert off <= (factor in (0.37, 1e-5))


def test_onnxruntime_differs_by_no_more_than_the_last_step(files):
    model, folder = files
    images = np.random.default_rng(1).standard_normal((16, 3, 8, 8)).astype(np.float32)
    (ours,), (theirs,) = IntegerReference(folder / "graph.onnx").run(images), OnnxRuntime().load(folder).run(images)
    assert np.abs(ours - theirs).max() < 0.02 * np.abs(theirs).max()
    assert np.mean(np.isclose(ours, theirs, atol=1e-6)) > 0.9  # most pictures meet no value at the edge of a step
    with torch.no_grad():
        assert np.abs(ours - model(torch.from_numpy(images)).numpy()).max() < 0.02 * np.abs(theirs).max()


def test_every_tensor_between_layers_is_integer(files):
    _, folder = files
    reference = IntegerReference(folder / "graph.onnx")
    images = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    values = reference.values(images)
    made = {name for node in reference._graph.node for name in node.output}
    kinds = {np.asarray(getattr(values[name], "values", values[name])).dtype.kind for name in made}
    assert kinds <= {"i", "u"}


def test_an_operator_that_needs_real_numbers_is_named(tmp_path):
    to_onnx(nn.Sequential(FakeQuantize(0.02, 128), nn.Sigmoid()), (torch.rand(1, 3),), tmp_path / "graph.onnx")
    with pytest.raises(EngineError, match="the integer reference does not know Sigmoid"):
        IntegerReference(tmp_path / "graph.onnx").run(np.zeros((1, 3), np.float32))
