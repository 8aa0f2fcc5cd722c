"""Somebody else's ONNX graph in QDQ form: where it rounds, what it keeps, what it refuses."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from lissome.compression.quantization.calibrators import Percentile
from lissome.compression.quantization.formats import Int8
from lissome.compression.quantization.quantize_onnx import quantize_onnx
from lissome.core.errors import BadDataError, BadModelError, SettingError
from lissome.exporting.to_onnx import to_onnx
from lissome.runtimes.onnxruntime import OnnxRuntime
from lissome.runtimes.reference import IntegerReference


class Detector(nn.Module):
    """A residual body, a pool, and two heads that are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.inner, self.depthwise = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.box, self.score = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(x + self.depthwise(torch.relu(self.inner(x))))
        x = torch.max_pool2d(x, 2)
        return torch.cat([self.box(x), torch.sigmoid(self.score(x))], 1)


@pytest.fixture
def graph(tmp_path: Path) -> onnx.ModelProto:
    torch.manual_seed(0)
    model = Detector()
    model(torch.rand(8, 3, 12, 12))  # statistics that are not those of no data
    to_onnx(model.eval(), (torch.zeros(1, 3, 12, 12),), tmp_path / "float.onnx")
    return onnx.load(tmp_path / "float.onnx")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((12, 3, 12, 12), np.float32)


def test_layers_round_and_the_heads_results_stay_float(graph, images, tmp_path):
    made = quantize_onnx(graph, [images[:8]], held_out=[images[8:]])
    assert made.cosine["output"] > 0.999
    assert (made.images, made.judged_on) == (8, 4)
    assert sum(one.applied for one in made.notes) == 5
    assert sum("stays float" in one.reason for one in made.notes) == 2
    onnx.save(made.model, tmp_path / "graph.onnx")
    runtime = OnnxRuntime()
    assert runtime.offers(tmp_path) == ("int8",)
    kinds = [node.op_type for node in made.model.graph.node]
    joined = next(node for node in made.model.graph.node if node.op_type == "Concat")
    makers = {name: node.op_type for node in made.model.graph.node for name in node.output}
    assert [makers[name] for name in joined.input] == ["Conv", "Sigmoid"]
    assert "BatchNormalization" not in kinds
    # Three of five layers hand integers on; the two heads give floats, which this engine multiplies in float.
    assert len(runtime.float_layers(tmp_path)) == 2
    stored = {one.name: one.data_type for one in made.model.graph.initializer}
    assert list(stored.values()).count(onnx.TensorProto.INT32) == 2 * 5  # biases and their zero points


def test_the_engine_computes_what_the_graph_says(graph, images, tmp_path):
    made = quantize_onnx(graph, [images], weights=Int8(), calibrator=Percentile())
    onnx.save(made.model, tmp_path / "graph.onnx")
    quick = OnnxRuntime().load(tmp_path).run(images[:2])[0]
    plain = OnnxRuntime().load(tmp_path, options={"optimization": "disabled"}).run(images[:2])[0]
    assert np.abs(quick - plain).max() < 0.05 * np.abs(plain).max()


def test_the_integer_reference_runs_it(images, tmp_path):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    to_onnx(body, (torch.zeros(1, 3, 12, 12),), tmp_path / "float.onnx")
    made = quantize_onnx(onnx.load(tmp_path / "float.onnx"), [images])
    onnx.save(made.model, tmp_path / "graph.onnx")
    expected = IntegerReference(tmp_path / "graph.onnx").run(images[:2])[0]
    found = OnnxRuntime().load(tmp_path).run(images[:2])[0]
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_a_layer_that_is_skipped_keeps_its_float_weights(graph, images):
    name = next(node.name for node in graph.graph.node if node.op_type == "Conv")
    made = quantize_onnx(graph, [images[:2]], skip=[name])
    note = next(one for one in made.notes if "skipped" in one.reason)
    assert not note.applied
    assert sum(one.applied for one in made.notes) == 4
    with pytest.raises(SettingError, match="no layer matches"):
        quantize_onnx(graph, [images[:2]], skip=["nothing"])


def test_what_it_refuses(graph, images):
    with pytest.raises(BadDataError):
        quantize_onnx(graph, [])
    once = quantize_onnx(graph, [images[:2]])
    with pytest.raises(BadModelError, match="already"):
        quantize_onnx(once.model, [images[:2]])
    with pytest.raises(SettingError, match="no layer can be quantized"):
        quantize_onnx(graph, [images[:2]], skip=["*"])
