import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import ConversionError, EngineError, SettingError
from lissome.exporting.to_onnx import to_onnx
from lissome.runtimes import mnn as mnn_file
from lissome.runtimes.mnn import Mnn

if not Mnn().available():
    pytest.skip("mnn is not installed: pip install MNN", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnn")
    to_onnx(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (torch.randn(1, 3, 8, 8),), folder / "a.onnx")
    Mnn().convert(folder / "a.onnx", folder)
    return folder


def test_nothing_is_printed_and_the_reporting_wrapper_is_never_imported(folder):
    program = (
        "import sys, numpy; from lissome.runtimes.mnn import Mnn\n"
        f"Mnn().load({str(folder)!r}).run(numpy.zeros((1, 3, 8, 8), numpy.float32))\n"
        "assert 'MNN' in sys.modules and not [one for one in sys.modules if one.startswith('MNN.tools')]"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("", "")


@pytest.mark.skipif(platform.machine() in ("aarch64", "arm64"), reason="MNN computes in float16 on ARM")
def test_float16_is_refused_where_mnn_would_ignore_it(folder):
    with pytest.raises(SettingError, match="computes these files in float32, not float16"):
        Mnn().load(folder, precision="float16")


def test_a_graph_that_is_none_is_refused_and_writes_nothing(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    with pytest.raises(ConversionError) as caught:
        Mnn().convert(tmp_path / "a.onnx", tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mnn" / "model.mnn").exists()


def test_a_converter_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(mnn_file, "_CONVERT", "while True: pass")
    monkeypatch.setattr(mnn_file, "SECONDS", 0.5)
    with pytest.raises(ConversionError, match=r"^mnnconvert: took longer than 0\.5 s$"):
        Mnn().convert(tmp_path / "a.onnx", tmp_path)


def test_another_number_of_inputs_is_refused(folder):
    with pytest.raises(EngineError, match="given 0 inputs, the network has 1"):
        Mnn().load(folder).run()


def test_outputs_come_in_the_order_of_the_network(tmp_path):
    class Eleven(nn.Module):
        def forward(self, x):
            return tuple(x + place for place in range(11))

    to_onnx(Eleven(), (torch.zeros(1, 2, 3, 3),), tmp_path / "a.onnx")
    Mnn().convert(tmp_path / "a.onnx", tmp_path)
    outputs = Mnn().load(tmp_path).run(np.zeros((1, 2, 3, 3), np.float32))
    assert [float(one.max()) for one in outputs] == list(range(11))
