"""Small graphs, rewritten and executed."""

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lissome.exporting.graph_proof import GraphProof
from lissome.graph.optimize import optimize_model


@dataclass
class Rewritten:
    """A graph before and after one pass and the cleaning."""

    before: onnx.ModelProto
    after: onnx.ModelProto
    receipt: object
    difference: float

    @property
    def operators(self):
        found = {}
        for node in self.after.graph.node:
            found[node.op_type] = found.get(node.op_type, 0) + 1
        return found

    @property
    def fired(self):
        return self.receipt.fired

    @property
    def refusals(self):
        return [note.reason for note in self.receipt.notes if not note.applied]


class Builder:
    """Nodes and constants of a graph, in a line each."""

    def __init__(self, *, opset=17, seed=0):
        self.opset, self.nodes, self.constants = opset, [], {}
        self.generator = np.random.default_rng(seed)

    def constant(self, value, name=None, dtype=None):
        name = name or f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=dtype)
        return name

    def weights(self, *shape):
        return self.constant(self.generator.normal(size=shape), dtype=np.float32)

    def node(self, op, *inputs, outputs=1, names=None, **attributes):
        names = names or [f"{op.lower()}{len(self.nodes)}_{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if len(names) == 1 else names

    def conv(self, source, channels_in, channels_out, kernel=1, *, bias=True, group=1, **attributes):
        weight = self.weights(
            channels_out, channels_in // group, *([kernel] * 2 if isinstance(kernel, int) else kernel)
        )
        inputs = [source, weight, *([self.weights(channels_out)] if bias else [])]
        if isinstance(kernel, int):
            attributes.setdefault("pads", [kernel // 2] * 4)
        return self.node("Conv", *inputs, group=group, **attributes)

    def batch_norm(self, source, channels):
        values = [self.generator.uniform(0.5, 1.5, channels) for _ in range(4)]
        names = [self.constant(one, dtype=np.float32) for one in values]
        return self.node("BatchNormalization", source, *names)

    def model(self, *outputs, shape=("batch", 8, 6, 6), inputs=None):
        given = inputs or {"x": (TensorProto.FLOAT, shape)}
        declared = [helper.make_tensor_value_info(name, kind, list(sides)) for name, (kind, sides) in given.items()]
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        stored = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "g", declared, made, stored)
        for one in graph.output:
            one.type.tensor_type.ClearField("shape")
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


@pytest.fixture
def build():
    return Builder


@pytest.fixture
def rewrite():
    def run(model, name, *, engine=None, clean=True):
        names = [name, *(("eliminate_dead_nodes",) if clean else ())]
        kept = model.SerializeToString()
        done = optimize_model(model, passes=names, engine=engine)
        assert model.SerializeToString() == kept, "the pass wrote into the model it was given"
        again = optimize_model(model, passes=names, engine=engine)
        assert done.model.SerializeToString() == again.model.SerializeToString(), "the pass is not deterministic"
        difference = GraphProof(model).compare(done.model).max_rel
        receipt = next(one for one in done.passes if one.name == name)
        return Rewritten(model, done.model, receipt, difference)

    return run
