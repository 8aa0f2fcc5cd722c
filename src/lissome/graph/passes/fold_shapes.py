"""Replace shape arithmetic by what is known of shapes, also where the batch is free.

A tensor of which every element is a known number is a constant. The target of a Reshape may hold the free batch: where
it stands in its own place the standard writes 0 ("as in the input"), elsewhere one side may be -1 ("the rest").
"""

from typing import ClassVar

import numpy as np
import onnx

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Array, Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal


class FoldShapes(Pass[Array]):
    """Turn computed shapes into constants."""

    purpose: ClassVar[str] = "turn computed shapes into constants, a free batch included"
    algebra: ClassVar[str] = "reshape(x, (shape(x)[0], c, ...)) = reshape(x, (0, c, ...))"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Array | Refusal | None:
        """The values are known, or the node is a Reshape whose target is but for the batch."""
        if node.op == "Reshape":
            return self._target(graph, node)
        if len(node.outputs) != 1 or graph.is_output(node.output):
            return None
        value = graph.shapes.value(node.output)
        if value is None:
            return Refusal("the shape it reads is not known") if node.op == "Shape" else None
        if not all(isinstance(one, int) for one in value.flat):
            return Refusal("the value depends on a free dimension") if node.op == "Shape" else None
        type = graph.shapes.type(node.output)
        if type is None:
            return None
        numpy_type = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(type))
        return value.astype(numpy_type) if numpy_type.kind in "iu" else None

    def _target(self, graph: Graph, node: Node) -> Array | Refusal | None:
        if graph.is_constant(node.input(1)) or node.input(1) == "":
            return None
        target, shape = graph.shapes.value(node.input(1)), graph.shapes.shape(node.input(0))
        if target is None or shape is None:
            return Refusal("the target shape is not known")
        if node.get("allowzero", 0):
            return Refusal("allowzero gives 0 another meaning")
        sides: list[int] = []
        for place, side in enumerate(target.reshape(-1).tolist()):
            if isinstance(side, int):
                sides.append(side)
            elif isinstance(side, str) and place < len(shape) and shape[place] == side:
                sides.append(0)
            else:
                sides.append(-1)
        if sides.count(-1) > 1:
            return Refusal("more than one side of the target is not known")
        return np.asarray(sides, dtype=np.int64)

    def rewrite(self, graph: Graph, node: Node, match: Array) -> str:
        """A Reshape reads a constant; any other node becomes one."""
        if node.op == "Reshape":
            graph.set_input(node, 1, graph.add_constant(match, "shape"))
            return f"its target is {tuple(match.tolist())}"
        graph.remove(node)
        graph.set_constant(node.output, match)
        return f"is {match.tolist()}"
