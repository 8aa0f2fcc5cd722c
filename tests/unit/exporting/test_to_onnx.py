import warnings

import onnx
import pytest
import torch
from torch import nn

from lissome.core.errors import ConversionError, ShapeError
from lissome.exporting.to_onnx import to_onnx
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights


def export(model, inputs, tmp_path):
    to_onnx(model, inputs, tmp_path / "a.onnx")
    return onnx.load(tmp_path / "a.onnx")


def dimensions(value):
    return [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]


def test_inputs_and_outputs_have_names_and_a_free_batch(tmp_path):
    graph = export(nn.Conv2d(3, 4, 3), (torch.randn(1, 3, 8, 8),), tmp_path).graph
    assert [(one.name, dimensions(one)) for one in graph.input] == [("input", ["batch", 3, 8, 8])]
    assert [(one.name, dimensions(one)[0]) for one in graph.output] == [("output", "batch")]


def test_several_are_numbered(tmp_path):
    class Both(nn.Module):
        def forward(self, x, y):
            return x + y, x - y

    graph = export(Both(), (torch.randn(1, 3), torch.randn(1, 3)), tmp_path).graph
    assert [one.name for one in (*graph.input, *graph.output)] == ["input1", "input2", "output1", "output2"]


def test_the_evaluation_mode_is_exported_and_the_model_left_as_it_was(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    graph = export(model, (torch.randn(1, 3, 8, 8),), tmp_path).graph
    assert [node.op_type for node in graph.node] == ["Conv"]
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_equal_models_are_equal_bytes(tmp_path):
    model, inputs = nn.Conv2d(3, 4, 3), (torch.randn(1, 3, 8, 8),)
    to_onnx(model, inputs, tmp_path / "a.onnx")
    to_onnx(model, inputs, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_rounding_layers_become_integers(tmp_path):
    conv = with_rounded_weights(nn.Conv2d(3, 4, 3), torch.full((4,), 0.01))
    graph = export(nn.Sequential(FakeQuantize(0.1, 128), conv), (torch.randn(1, 3, 8, 8),), tmp_path).graph
    kinds = {node.op_type for node in graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    weights = [one for one in graph.initializer if list(one.dims) == [4, 3, 3, 3]]
    assert [one.data_type for one in weights] == [onnx.TensorProto.INT8]


def test_an_operator_without_onnx_form_is_named_and_nothing_written(tmp_path, capfd):
    class Spectrum(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    with pytest.raises(ConversionError, match=r"^Spectrum: cannot be written as ONNX: .*bessel_j0") as caught:
        to_onnx(Spectrum(), (torch.randn(1, 3),), tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")  # torch prints the graph that fails


def test_a_wrong_input_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="the forward fails on input 1x4x8x8"):
        to_onnx(nn.Conv2d(3, 4, 3), (torch.randn(1, 4, 8, 8),), tmp_path / "a.onnx")


def test_a_users_own_warning_is_not_swallowed(tmp_path):
    class Warns(nn.Module):
        def forward(self, x):
            warnings.warn("mine", UserWarning, stacklevel=1)
            return x + 1

    with pytest.warns(UserWarning, match="mine"):
        to_onnx(Warns(), (torch.randn(1, 3),), tmp_path / "a.onnx")
