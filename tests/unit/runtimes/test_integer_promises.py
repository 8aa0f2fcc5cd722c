"""What engines make of layers that are promised in integers."""

import pytest
import torch
from torch import nn

from lissome.exporting.converters import CONVERTERS, Examples
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights
from lissome.runtimes.table import get_runtime

INPUT = (torch.rand(1, 4, 8, 8),)


def rounded(layer):
    return with_rounded_weights(layer, layer.weight.detach().abs().flatten(1).amax(1) / 127)


def quantizer():
    return FakeQuantize(1 / 255, 0)


def inner_then_last():
    """The last convolution gives floats, for which ONNX Runtime has no integer kernel; the first gives integers."""
    return nn.Sequential(
        quantizer(), rounded(nn.Conv2d(4, 8, 3)), nn.ReLU(), quantizer(), rounded(nn.Conv2d(8, 2, 1))
    ).eval()


def converted(engine, model, folder):
    runtime = get_runtime(engine)
    if not runtime.available():
        pytest.skip(f"{engine} is not installed: pip install {runtime.package}")
    CONVERTERS[engine](model, Examples(INPUT), folder)
    return runtime.float_layers(folder)


def test_onnxruntime_is_caught_with_a_float_convolution(tmp_path):
    left = converted("onnxruntime", inner_then_last(), tmp_path)
    assert len(left) == 1
    assert left[0].startswith("/4/")


def test_onnxruntime_keeps_its_word_where_integers_come_out(tmp_path):
    model = nn.Sequential(inner_then_last(), quantizer())
    assert converted("onnxruntime", model, tmp_path) == ()


def test_a_float_layer_was_not_promised(tmp_path):
    model = nn.Sequential(nn.Conv2d(4, 4, 1), quantizer(), rounded(nn.Conv2d(4, 2, 1)), quantizer()).eval()
    assert converted("onnxruntime", model, tmp_path / "a") == ()
    assert converted("onnxruntime", nn.Conv2d(4, 4, 1), tmp_path / "b") == ()


def test_openvino_runs_both_in_integers(tmp_path):
    assert converted("openvino", inner_then_last(), tmp_path) == ()


def test_openvino_is_caught_where_it_takes_floats(tmp_path, monkeypatch):
    from lissome.runtimes import openvino

    # Were its kernels not what its execution graph calls u8 or i8, all would be named.
    monkeypatch.setattr(openvino, "_INTEGERS", ("i4",))
    assert len(converted("openvino", inner_then_last(), tmp_path)) == 2


def test_ncnn_has_no_more_than_its_files_say(tmp_path):
    assert converted("ncnn", inner_then_last(), tmp_path) == ()
