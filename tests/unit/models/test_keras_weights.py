"""Keras files: axes are turned, layers are matched kind by kind, and everything else is refused."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import WeightsError
from lissome.data.image_codec import unpack_images
from lissome.models.create import create
from lissome.models.weights import load_weights


class Residual(nn.Module):
    """A stem, a depthwise convolution with normalisation, a shortcut, a dense layer."""

    def __init__(self):
        super().__init__()
        self.main = nn.Conv2d(3, 4, (3, 2), bias=False)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.norm = nn.BatchNorm2d(4)
        self.shortcut = nn.Conv2d(3, 4, 1)
        self.dense = nn.Linear(4, 2)


LAYERS = {
    "conv": {"kernel": (3, 2, 3, 4)},
    "depthwise": {"depthwise_kernel": (3, 3, 4, 1), "bias": (4,)},
    "shortcut": {"kernel": (1, 1, 3, 4), "bias": (4,)},
    "relu": {},
    # Behind the shortcut, as Keras sorts it; the model has it in front.
    "norm": {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
    "dense": {"kernel": (4, 2), "bias": (2,)},
}


@pytest.fixture
def write(tmp_path):
    h5py = pytest.importorskip("h5py")

    def write(layers, group="model_weights"):
        generator, values = np.random.default_rng(0), {}
        with h5py.File(tmp_path / "w.h5", "w") as file:
            root = file.create_group(group) if group else file
            root.attrs["layer_names"] = [name.encode() for name in layers]
            for name, tensors in layers.items():
                names = [f"{name}/{part}:0" for part in tensors]
                root.create_group(name).attrs["weight_names"] = [one.encode() for one in names]
                for one, (part, shape) in zip(names, tensors.items(), strict=True):
                    values[name, part] = generator.random(shape, np.float32)
                    root[name][one] = values[name, part]
        return tmp_path / "w.h5", values

    return write


@pytest.mark.parametrize("group", ["model_weights", ""])
def test_axes_are_turned_and_kinds_matched(write, group):
    path, values = write(LAYERS, group)
    model = Residual()
    receipt = load_weights(model, path)
    assert ("conv.kernel", "main.weight") in receipt.by_order
    assert len(receipt.by_order) == 11
    assert model.main.weight[3, 1, 2, 0] == values["conv", "kernel"][2, 0, 1, 3]
    assert model.depthwise.weight[3, 0, 2, 1] == values["depthwise", "depthwise_kernel"][2, 1, 3, 0]
    assert torch.equal(model.shortcut.bias, torch.from_numpy(values["shortcut", "bias"]))
    assert torch.equal(model.norm.running_var, torch.from_numpy(values["norm", "moving_variance"]))
    assert torch.equal(model.dense.weight.T, torch.from_numpy(values["dense", "kernel"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense": {}}, r"w.h5: the file has 3 convolutions and dense layers, the model 4"),
        ({"norm": {}}, r"w.h5: the file has 0 normalisations, the model 1"),
        ({"dense": {"kernel": (4, 3), "bias": (3,)}}, r"other shape: dense.weight \(model \(2, 4\), file \(3, 4\)\)"),
        ({"conv": {"kernel": (3, 2, 3, 4), "bias": (4,)}}, "w.h5: the model has no place for conv.bias"),
        ({"shortcut": {"kernel": (1, 1, 3, 4)}}, "not in the file: shortcut.bias"),
        ({"lstm": {"recurrent_kernel": (4, 4)}}, "layer lstm is neither"),
    ],
)
def test_what_does_not_fit_is_named(write, change, message):
    path, _ = write(LAYERS | change)
    with pytest.raises(WeightsError, match=message):
        load_weights(Residual(), path)


def test_damaged_and_absent_files_are_refused(tmp_path):
    pytest.importorskip("h5py")
    path = tmp_path / "w.h5"
    with pytest.raises(WeightsError, match="there is no such file"):
        load_weights(Residual(), path)
    path.write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match="the file is damaged, or no Keras file"):
        load_weights(Residual(), path)


def test_without_h5py_it_says_the_pip_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "w.h5").touch()
    with pytest.raises(WeightsError, match=r"w.h5: reading .h5 needs h5py; pip install h5py"):
        load_weights(Residual(), tmp_path / "w.h5")


@pytest.mark.data
def test_mlperf_tiny_resnet8_reaches_its_accuracy(data_folder):
    pytest.importorskip("h5py")
    model = create("mlperf_tiny_resnet8")
    receipt = load_weights(model, data_folder / "weights/mlperf_tiny/pretrainedResnet.h5")
    assert len(receipt.by_order) == len(model.state_dict()) - 7  # batch counters are no weights
    images = unpack_images((data_folder / "cifar10/test.xz").read_bytes(), height=32, width=32, where="test.xz")
    with np.load(data_folder / "cifar10/labels.npz", allow_pickle=False) as table:
        labels = table["test"]
    batches = torch.from_numpy(images).permute(0, 3, 1, 2).split(250)
    with torch.no_grad():
        predicted = torch.cat([model(one.float()).argmax(1) for one in batches])
    # 87.19 % on all 10,000 images.
    assert int((predicted.numpy() == labels).sum()) == pytest.approx(8719, abs=2)


@pytest.mark.data
def test_mlperf_tiny_mobilenet_loads_completely(data_folder):
    pytest.importorskip("h5py")
    model = create("mlperf_tiny_mobilenet")
    receipt = load_weights(model, data_folder / "weights/mlperf_tiny/vww_96.h5")
    floats = [name for name, one in model.state_dict().items() if one.is_floating_point()]
    assert sorted(name for _, name in receipt.by_order) == sorted(floats)
