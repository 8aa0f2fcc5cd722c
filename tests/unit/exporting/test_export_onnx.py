import numpy as np
import onnx
import pytest
import torch
from torch import nn

from lissome.core.errors import BadModelError, ConversionError, SettingError
from lissome.exporting.export_onnx import export_onnx
from lissome.exporting.to_onnx import to_onnx
from lissome.runtimes.artifact import load
from lissome.runtimes.table import get_runtime
from lissome.timing.verify import verify

ENGINES = [name for name in ("onnxruntime", "openvino", "mnn") if get_runtime(name).available()]


@pytest.fixture
def graph(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    to_onnx(model, (torch.randn(1, 3, 8, 8),), tmp_path / "a.onnx")
    return tmp_path / "a.onnx"


def with_a_batch_of_one(path):
    model = onnx.load(path)
    for one in (*model.graph.input, *model.graph.output):
        one.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_graph_is_converted_and_proved(graph, tmp_path, fixed):
    if fixed:
        with_a_batch_of_one(graph)
    engines = [name for name in ENGINES if not (fixed and name == "mnn")]
    export_onnx(graph, tmp_path / "a.lissome", runtimes=engines)
    artifact = load(tmp_path / "a.lissome")
    assert artifact.card.params == 4 * 27 + 4 + 144 * 5 + 5
    assert artifact.card.output_shapes == ((5,),)
    images = np.random.default_rng(1).standard_normal((3, 3, 8, 8)).astype(np.float32)
    results = [artifact.session(name).run(images)[0] for name in engines]
    assert all(np.allclose(one, results[0], atol=1e-5) for one in results)
    assert verify(artifact, seconds=0.05).passed


@pytest.mark.parametrize(("name", "reason"), [("ncnn", "wrong Reshape parameters and a crash"), ("torch", "modules")])
def test_engines_without_a_way_from_onnx_are_refused_with_the_reason(graph, tmp_path, name, reason):
    with pytest.raises(ConversionError, match=f"^{name}: takes no ONNX graph: .*{reason}.*; export the PyTorch module"):
        export_onnx(graph, tmp_path / "a.lissome", runtimes=[name])
    assert not (tmp_path / "a.lissome").exists()


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    with pytest.raises(BadModelError, match="is no ONNX graph"):
        export_onnx(tmp_path / "a.onnx", tmp_path / "a.lissome")
    with pytest.raises(BadModelError, match="no such file"):
        export_onnx(tmp_path / "b.onnx", tmp_path / "a.lissome")
    with pytest.raises(SettingError, match="no runtime is named"):
        export_onnx(tmp_path / "a.onnx", tmp_path / "a.lissome", runtimes=[])


def test_an_input_of_unknown_size_is_refused(graph, tmp_path):
    model = onnx.load(graph)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "rows"
    onnx.save(model, graph)
    with pytest.raises(BadModelError, match="input input is no float array of known size"):
        export_onnx(graph, tmp_path / "a.lissome")
