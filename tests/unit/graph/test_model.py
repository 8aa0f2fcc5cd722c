"""Files that are no graphs are refused, by what is wrong with them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lissome.core.errors import BadModelError
from lissome.graph.model import graph_from_model, model_from_graph


def test_reading_and_writing_keeps_everything(build):
    b = build()
    model = b.model(b.batch_norm(b.conv("x", 8, 8, 3, group=2), 8))
    model.metadata_props.add(key="who", value="me")
    for side in ("batch", 8, 6, 6):
        one = model.graph.output[0].type.tensor_type.shape.dim.add()
        setattr(one, "dim_param" if isinstance(side, str) else "dim_value", side)
    made = model_from_graph(graph_from_model(model))
    onnx.checker.check_model(made, full_check=True)
    assert [one.SerializeToString() for one in made.graph.initializer] == [
        one.SerializeToString() for one in model.graph.initializer
    ]
    assert [(one.op_type, list(one.input)) for one in made.graph.node] == [
        (one.op_type, list(one.input)) for one in model.graph.node
    ]
    assert made.metadata_props[0].value == "me"
    assert model_from_graph(graph_from_model(made)).SerializeToString() == made.SerializeToString()


def _model(nodes, *, opset=17, outputs=("y",)):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in outputs]
    graph = helper.make_graph(nodes, "g", [x], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


BAD = {
    "circle": (
        _model([helper.make_node("Add", ["x", "y"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]),
        "in a circle",
    ),
    "unknown input": (_model([helper.make_node("Add", ["x", "q"], ["y"])]), "reads q, which nobody writes"),
    "unknown output": (_model([helper.make_node("Relu", ["x"], ["z"])]), "output y is written by nobody"),
    "written twice": (_model([helper.make_node("Relu", ["x"], ["y"])] * 2), "already exists"),
    "no output": (_model([helper.make_node("Relu", ["x"], ["y"])], outputs=()), "has no output"),
    "twice named": (_model([helper.make_node("Relu", ["x"], ["y"])], outputs=("y", "y")), "twice"),
    "old": (_model([helper.make_node("Relu", ["x"], ["y"])], opset=6), "opset 6"),
    "far newer": (_model([helper.make_node("Relu", ["x"], ["y"])], opset=99), "opset 99"),
    "empty": (onnx.ModelProto(), "versions"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_graph_is_refused(name):
    model, reason = BAD[name]
    with pytest.raises(BadModelError, match=reason):
        graph_from_model(model)


def test_a_tensor_of_too_few_bytes_is_refused():
    model = _model([helper.make_node("Add", ["x", "w"], ["y"])])
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2], raw_data=b"abc")
    with pytest.raises(BadModelError, match="tensor w"):
        graph_from_model(model).constant("w")


def test_a_scalar_stays_a_scalar(build):
    b = build()
    graph = graph_from_model(b.model(b.node("Relu", "x")))
    graph.set_constant("one", np.asarray(1.0, dtype=np.float32))
    assert list(graph.constant_proto("one").dims) == []


def test_a_name_that_is_no_text_is_refused():
    data = _model([helper.make_node("Relu", ["x"], ["y"], name="marker")]).SerializeToString()
    model = onnx.ModelProto()
    model.ParseFromString(data.replace(b"marker", b"mark\x89r"))
    with pytest.raises(BadModelError, match="no text"):
        graph_from_model(model)


def test_an_attribute_without_a_type_is_refused():
    model = _model([helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.1)])
    model.graph.node[0].attribute[0].ClearField("type")
    with pytest.raises(BadModelError, match="attribute"):
        graph_from_model(model)
