"""Weights of one or a few bits: what training leaves are values of the format, and they fit in few bits."""

import numpy as np
import pytest
import torch
from torch import nn

from lissome.compression.quantization.formats import Binary, Log2, Ternary
from lissome.compression.quantization.train_few_bits import TrainFewBits
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.layers.sign import Sign
from lissome.training.train import Train

TRAIN = Train(epochs=4, batch_size=16)


@pytest.fixture
def context():
    labels = np.arange(160) % 2
    images = np.random.default_rng(0).integers(0, 150, (160, 8, 8, 3)) + 60 * labels[:, None, None, None]
    return Context(Task.from_arrays(images.astype(np.uint8), labels, images.astype(np.uint8), labels))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Hardtanh(), nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("format", [Binary(), Ternary(), Log2(bits=3)])
def test_the_weights_are_values_of_the_format_and_have_learned(format, model, context):
    outcome = TrainFewBits(format=format, train=TRAIN).apply(model, context)
    weight = outcome.model[3].weight.detach()
    assert torch.equal(format.rounded(weight), weight)
    assert not torch.equal(format.rounded(model[3].weight), weight)
    assert type(outcome.model[3]) is nn.Conv2d
    assert outcome.measurements["layers_rounded"] == 1
    assert outcome.measurements["val_metric"] > 0.9


def test_signs_of_inputs_and_weights_are_one_bit_in_the_artifact(model, context, tmp_path):
    outcome = TrainFewBits(inputs=True, ends=True, skip=("0",), train=TRAIN).apply(model, context)
    assert isinstance(outcome.model[3][0], Sign)
    assert isinstance(outcome.model[8][0], Sign)
    weight = outcome.model[3][1].weight
    assert weight.abs().flatten(1).unique(dim=1).shape[1] == 1
    artifact = export(outcome, tmp_path / "one.lissome", runtimes=["onnxruntime"], context=context)
    assert artifact.card.engines["onnxruntime"].precision == "float32"


def test_what_it_refuses(model, context):
    with pytest.raises(SettingError, match="no layer matches"):
        TrainFewBits(skip=("x",)).apply(model, context)
    with pytest.raises(SettingError, match="no layer is left"):
        TrainFewBits(skip=("3",)).apply(model, context)
