import importlib.util
import stat

import pytest
import torch
from torch import nn

from lissome.core.errors import ConversionError, EngineMissingError, ShapeError
from lissome.exporting import to_ncnn as to_ncnn_file
from lissome.exporting.to_ncnn import to_ncnn
from lissome.layers.channel_selection import ChannelSelection
from lissome.layers.fake_quantize import FakeQuantize

INPUT = (torch.randn(1, 3, 8, 8),)


class EveryOtherChannel(nn.Module):
    def forward(self, x):
        return torch.relu(x)[:, ::2] * 2


def test_weights_are_stored_in_float32(tmp_path):
    param, weights = to_ncnn(nn.Conv2d(3, 8, 3), INPUT, tmp_path)
    assert param.read_text().startswith("7767517\n")
    assert weights.stat().st_size >= 4 * (8 * 27 + 8)
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["model.bin", "model.param", "ncnn"]


def test_an_operator_that_ncnn_lacks_is_named_with_pnnxs_reason(tmp_path):
    with pytest.raises(ConversionError, match=r"Tensor\.slice \(slice with step 2 is not supported\)"):
        to_ncnn(EveryOtherChannel(), INPUT, tmp_path)


def test_selected_channels_are_slices(tmp_path):
    selection = ChannelSelection(3, 2)
    selection.index = torch.tensor([0, 2])
    param, _ = to_ncnn(nn.Sequential(selection, nn.Conv2d(2, 4, 1)), INPUT, tmp_path)
    assert "Crop" in param.read_text() or "Slice" in param.read_text()
    assert "Concat" in param.read_text()


def test_rounding_is_refused(tmp_path):
    with pytest.raises(ConversionError, match="is quantized; use to_ncnn_int8"):
        to_ncnn(nn.Sequential(FakeQuantize(0.1, 0)), INPUT, tmp_path)


def test_a_wrong_input_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="the forward fails"):
        to_ncnn(nn.Conv2d(4, 8, 3), INPUT, tmp_path)


def test_a_forward_without_a_graph_is_still_converted(tmp_path):
    class Countless(nn.Module):
        def forward(self, x):
            return torch.relu(x).mean(tuple(range(2, len(x.shape))))  # len() is what symbolic tracing cannot take

    param, _ = to_ncnn(Countless(), INPUT, tmp_path)
    assert "ReLU" in param.read_text()


def fake_pnnx(tmp_path, monkeypatch, script):
    program = tmp_path / "fake_pnnx"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(to_ncnn_file, "_pnnx", lambda: str(program))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo unknown operator; exit 1", r"^pnnx: failed \(1\): unknown operator"),
        ("kill -9 $$", r"^pnnx: crashed with signal 9"),
        ("exec sleep 30", r"^pnnx: took longer than 0\.3 s"),
        ("echo grid is not supported", r"^pnnx: wrote no ncnn model \(grid is not supported\)"),
    ],
)
def test_a_converter_that_fails_is_an_error_here(tmp_path, monkeypatch, script, message):
    monkeypatch.setattr(to_ncnn_file, "SECONDS", 0.3 if "sleep" in script else 20.0)
    fake_pnnx(tmp_path, monkeypatch, script)
    with pytest.raises(ConversionError, match=message):
        to_ncnn(nn.ReLU(), INPUT, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_pnnx_says_the_pip_line(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pnnx" else find(name, *rest))
    with pytest.raises(EngineMissingError, match="pip install pnnx"):
        to_ncnn(nn.ReLU(), INPUT, tmp_path)
