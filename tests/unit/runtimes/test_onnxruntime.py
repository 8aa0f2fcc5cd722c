import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lissome.core.errors import EngineError
from lissome.runtimes.onnxruntime import OnnxRuntime


def write(path, operator, domain=""):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], domain=domain)], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def test_an_input_of_another_shape_is_refused_in_one_line(tmp_path):
    write(tmp_path / "graph.onnx", "Relu")
    session = OnnxRuntime().load(tmp_path)
    with pytest.raises(EngineError, match="onnxruntime cannot run this input: ") as caught:
        session.run(np.zeros((2, 4), np.float32))
    assert "\n" not in str(caught.value)


def test_a_wrong_number_of_inputs_is_refused(tmp_path):
    write(tmp_path / "graph.onnx", "Relu")
    with pytest.raises(EngineError, match="cannot run this input"):
        OnnxRuntime().load(tmp_path).run()


def test_an_operator_it_lacks_is_named(tmp_path):
    write(tmp_path / "graph.onnx", "Frobnicate", domain="mine")
    with pytest.raises(EngineError, match=r"onnxruntime refuses the network: .*Frobnicate"):
        OnnxRuntime().load(tmp_path)


@pytest.mark.parametrize("data", [b"", b"not a graph", bytes(1000)])
def test_a_file_that_is_no_graph_is_refused(tmp_path, data):
    (tmp_path / "graph.onnx").write_bytes(data)
    with pytest.raises(EngineError, match="onnxruntime refuses the network"):
        OnnxRuntime().load(tmp_path)
