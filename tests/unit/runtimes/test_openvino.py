import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import ConversionError, EngineError, SettingError
from lissome.exporting.to_onnx import to_onnx
from lissome.runtimes.openvino import OpenVino

if not OpenVino().available():  # not by importing it, which would report usage to its makers
    pytest.skip("openvino is not installed: pip install openvino", allow_module_level=True)


@pytest.fixture
def folder(tmp_path):
    to_onnx(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (torch.randn(1, 3, 8, 8),), tmp_path / "a.onnx")
    OpenVino().convert(tmp_path / "a.onnx", tmp_path)
    return tmp_path


def test_weights_are_stored_in_float32(folder):
    assert (folder / "openvino" / "model.bin").stat().st_size >= 4 * (4 * 27 + 4)


def test_importing_it_reports_nothing(folder):
    """OpenVINO's own import writes an id below the home folder and reports usage; through the adapter it does not."""
    program = (
        "import sys; from lissome.runtimes.openvino import OpenVino\n"
        f"OpenVino().load({str(folder)!r})\n"
        "assert 'openvino' in sys.modules and 'openvino_telemetry' not in sys.modules"
    )
    home = folder / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert list(home.iterdir()) == []


def test_bfloat16_is_refused_where_the_cpu_lacks_it(folder, monkeypatch):
    class Engine:
        def Core(self):  # noqa: N802 (its own name)
            return self

        def get_property(self, device, name):
            return ["FP32", "INT8"]

    monkeypatch.setattr(OpenVino, "_engine", lambda self: Engine())
    with pytest.raises(SettingError, match="computes these files in float32, not bfloat16"):
        OpenVino().load(folder, precision="bfloat16")


def test_a_graph_that_is_none_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    with pytest.raises(ConversionError, match=r"^openvino: cannot read the graph: ") as caught:
        OpenVino().convert(tmp_path / "a.onnx", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shapes", ["static", "dynamic"])
def test_a_wrong_input_is_refused_in_one_line(folder, shapes):
    session = OpenVino().load(folder, options={"shapes": shapes})
    with pytest.raises(EngineError, match="openvino cannot run this input: ") as caught:
        session.run(np.zeros((1, 4, 8, 8), np.float32))
    assert "\n" not in str(caught.value)
    with pytest.raises(EngineError, match="given 2 inputs, the network has 1"):
        session.run(np.zeros((1, 3, 8, 8), np.float32), np.zeros((1, 3, 8, 8), np.float32))


def test_both_kinds_of_shapes_give_the_same(folder):
    images = np.random.default_rng(0).standard_normal((3, 3, 8, 8)).astype(np.float32)
    results = [OpenVino().load(folder, options={"shapes": one}).run(images)[0] for one in ("static", "dynamic")]
    assert np.allclose(*results, atol=1e-6)
