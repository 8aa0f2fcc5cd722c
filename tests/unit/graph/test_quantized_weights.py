"""Weights are stored in 8 bits and the engine computes in integers, with equal outputs."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lissome.graph.quantized_weights import store_quantized


def graph(*, quantized: bool) -> onnx.ModelProto:
    """x → Conv → Relu → y, in QDQ form or float."""
    generator = np.random.default_rng(0)
    arrays = {
        "w": generator.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "b": generator.normal(size=8).astype(np.float32),
        "sx": np.float32(0.02),
        "zx": np.uint8(128),
        "sy": np.float32(0.05),
        "zy": np.uint8(0),
    }
    arrays["sw"] = (np.abs(arrays["w"]).reshape(8, -1).max(1) / 127).astype(np.float32)
    arrays["zw"] = np.zeros(8, np.int8)
    node = helper.make_node
    body = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
        node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
        node("QuantizeLinear", ["w", "sw", "zw"], ["wq"], axis=0),
        node("DequantizeLinear", ["wq", "sw", "zw"], ["wd"], axis=0),
        node("Conv", ["xd", "wd", "b"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", "sy", "zy"], ["yq"]),
        node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]),
    ]
    if not quantized:
        body = [node("Conv", ["x", "w", "b"], ["c"]), node("Relu", ["c"], ["y"])]
    used = {name for one in body for name in one.input}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 6, 6])]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items() if name in used]
    made = helper.make_graph(body, "one", inputs, outputs, initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model: onnx.ModelProto, x: np.ndarray, optimized: Path | None = None) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)


def test_weights_become_int8_and_biases_int32() -> None:
    stored = store_quantized(graph(quantized=True))
    onnx.checker.check_model(stored)
    kinds = {one.name: one.data_type for one in stored.graph.initializer}
    assert kinds["wq"] == TensorProto.INT8
    assert TensorProto.INT32 in kinds.values()
    assert "w" not in kinds
    assert Counter(one.op_type for one in stored.graph.node)["QuantizeLinear"] == 2


def test_outputs_are_equal_to_one_step(x: np.ndarray) -> None:
    model = graph(quantized=True)
    difference = np.abs(run(store_quantized(model), x) - run(model, x))
    assert difference.max() <= 0.0501
    assert np.mean(difference > 1e-6) < 0.02


def test_the_engine_computes_in_integers(x: np.ndarray, tmp_path: Path) -> None:
    run(store_quantized(graph(quantized=True)), x, tmp_path / "optimized.onnx")
    operators = Counter(one.op_type for one in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert operators["QLinearConv"] == 1
    assert operators["Conv"] == operators["FusedConv"] == 0


def test_a_float_graph_comes_back_equal() -> None:
    model = graph(quantized=False)
    assert store_quantized(model) == model


def test_the_model_given_is_left_alone() -> None:
    model = graph(quantized=True)
    before = model.SerializeToString()
    store_quantized(model)
    assert model.SerializeToString() == before


def test_a_bias_that_something_computes_is_left_alone(x: np.ndarray) -> None:
    model = graph(quantized=True)
    conv = next(one for one in model.graph.node if one.op_type == "Conv")
    model.graph.node.insert(0, helper.make_node("Identity", ["b"], ["b2"]))
    conv.input[2] = "b2"
    stored = store_quantized(model)
    assert next(one for one in stored.graph.node if one.op_type == "Conv").input[2] == "b2"
    assert np.allclose(run(stored, x), run(model, x), atol=0.0501)
