"""Random graphs of the operators that the passes know: whatever is rewritten, the engine computes the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lissome.exporting.graph_proof import difference
from lissome.graph import row_pair_plan
from lissome.graph.optimize import optimize_model

SIDE = 6
LIMIT = 1e-4


class RandomGraph:
    """Grows node by node; each choice is a number, so that a failing graph shrinks."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)
        self.nodes, self.constants = [], {}
        self.tensors = [("x", 8, SIDE)]

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=dtype)
        return name

    def weights(self, *shape):
        return self.constant(self.generator.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:]))))

    def node(self, op, inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names

    def grow(self, op, choice):
        name, channels, side = self.tensors[choice % len(self.tensors)]
        made = getattr(self, op)(name, channels, side, choice // 7)
        self.tensors += made

    def conv(self, name, channels, side, choice):
        kernel, out = (1, 3)[choice % 2], (4, 8, 10, 16)[choice // 2 % 4]
        group = 2 if channels % 2 == 0 and out % 2 == 0 and choice % 11 == 0 else 1
        inputs = [name, self.weights(out, channels // group, kernel, kernel)]
        inputs += [self.weights(out)] if choice % 3 else []
        return [(self.node("Conv", inputs, pads=[kernel // 2] * 4, group=group)[0], out, side)]

    def strided(self, name, channels, side, choice):
        kernel, out = (1, 3, 2)[choice % 3], (4, 8)[choice // 3 % 2]
        pad = kernel // 2
        weight = self.weights(out, channels, kernel, kernel)
        made = self.node("Conv", [name, weight, self.weights(out)], pads=[pad] * 4, strides=[2, 2])[0]
        return [(made, out, (side + 2 * pad - kernel) // 2 + 1)]

    def mean(self, name, channels, _side, _choice):
        return [(self.node("GlobalAveragePool", [name])[0], channels, 1)]

    def depthwise(self, name, channels, side, _choice):
        weight = self.weights(channels, 1, 3, 3)
        return [(self.node("Conv", [name, weight], pads=[1] * 4, group=channels)[0], channels, side)]

    def norm(self, name, channels, side, _choice):
        values = [self.constant(self.generator.uniform(0.5, 1.5, channels)) for _ in range(4)]
        return [(self.node("BatchNormalization", [name, *values])[0], channels, side)]

    def activation(self, name, channels, side, choice):
        return [(self.node(("Relu", "HardSwish", "Sigmoid", "Identity")[choice % 4], [name])[0], channels, side)]

    def scale(self, name, channels, side, choice):
        value = self.constant(self.generator.uniform(0.5, 1.5, (1, channels, 1, 1)))
        return [(self.node(("Mul", "Add", "Sub", "Div")[choice % 4], [name, value])[0], channels, side)]

    def add(self, name, channels, side, choice):
        alike = [one[0] for one in self.tensors if one[1:] == (channels, side)]
        return [(self.node("Add", [name, alike[choice % len(alike)]])[0], channels, side)]

    def concat(self, name, channels, side, choice):
        alike = [one for one in self.tensors if one[2] == side]
        other = alike[choice % len(alike)]
        return [(self.node("Concat", [name, other[0]], axis=1)[0], channels + other[1], side)]

    def split(self, name, channels, side, choice):
        if channels == 1:
            return []
        first = 1 + choice % (channels - 1)
        sizes = self.constant([first, channels - first], np.int64)
        names = self.node("Split", [name, sizes], 2, axis=1)
        return [(names[0], first, side), (names[1], channels - first, side)]

    def shuffle(self, name, channels, side, _choice):
        groups = 2 if channels % 2 == 0 else 1
        wide = self.constant([0, groups, channels // groups, side, side], np.int64)
        (turned,) = self.node("Transpose", self.node("Reshape", [name, wide]), perm=[0, 2, 1, 3, 4])
        return [(self.node("Reshape", [turned, self.constant([0, channels, side, side], np.int64)])[0], channels, side)]

    def pool(self, name, channels, side, choice):
        op = ("MaxPool", "AveragePool")[choice % 2]
        counts = {"count_include_pad": choice // 2 % 2} if op == "AveragePool" else {}
        return [(self.node(op, [name], kernel_shape=[3, 3], pads=[1] * 4, **counts)[0], channels, side)]

    def model(self):
        read = {name for node in self.nodes for name in node.input}
        ends = [name for name, *_ in self.tensors if name not in read and name != "x"]
        shapes = {name: ["n", channels, side, side] for name, channels, side in self.tensors}
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes["x"])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in ends],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


OPERATIONS = (
    "conv",
    "conv",
    "conv",
    "strided",
    "mean",
    "depthwise",
    "norm",
    "activation",
    "scale",
    "add",
    "concat",
    "split",
    "shuffle",
    "pool",
)
choices = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 10_000)), min_size=2, max_size=16)


def run(model, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


@pytest.mark.parametrize("engine", [None, "onnxruntime", "openvino"])
@settings(max_examples=40)
@given(choices=choices, seed=st.integers(0, 3))
def test_optimized_graphs_compute_the_same(engine, choices, seed):
    graph = RandomGraph(seed)
    graph.grow("conv", seed)
    for op, choice in choices:
        graph.grow(op, choice)
    model = graph.model()
    done = optimize_model(model, engine=engine)
    onnx.checker.check_model(done.model, full_check=True)
    x = graph.generator.normal(size=(2, 8, SIDE, SIDE)).astype(np.float32)
    before, after = run(model, x), run(done.model, x)
    assert [one.shape for one in before] == [one.shape for one in after]
    assert max(difference(one, other) for one, other in zip(before, after, strict=True)) < LIMIT
    taken_back = [note for one in done.passes for note in one.notes if "taken back" in note.reason]
    assert taken_back == []


@settings(max_examples=60)
@given(choices=choices, seed=st.integers(0, 3))
def test_rows_in_pairs_compute_the_same_wherever_they_are_put(choices, seed):
    graph = RandomGraph(seed)
    graph.grow("conv", 7)
    for op, choice in choices:
        graph.grow(op, choice)
    model = graph.model()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NODE_COST", "JOIN_COST", "WEIGHT_COST", "MACS_PER_ELEMENT"):
            patch.setattr(row_pair_plan, name, 1e-6)  # so that images of 6 rows are worth it
        done = optimize_model(model, passes=["pair_rows"], engine="onnxruntime")
    onnx.checker.check_model(done.model, full_check=True)
    x = graph.generator.normal(size=(2, 8, SIDE, SIDE)).astype(np.float32)
    pairs = zip(run(model, x), run(done.model, x), strict=True)
    assert max(difference(one, other) for one, other in pairs) < LIMIT
    assert done.passes[0].fired, "the first convolution has three rows"
