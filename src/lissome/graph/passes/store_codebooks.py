"""Write weights that share a few values as those values and a byte a weight: a small plain file, looked up at load."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Array, Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

MOST_VALUES = 256
_NODE_BYTES = 160
"""What the two nodes and the two names of a look-up take, by about."""

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Codebook:
    """A constant as values and places among them.

    Args:
        name: The constant.
        values: float32, (count,), ascending.
        codes: uint8, of the constant's shape.
    """

    name: str
    values: Array
    codes: Array


class StoreCodebooks(Pass[Codebook]):
    """Put a look-up in a codebook in the place of a weight."""

    purpose: ClassVar[str] = "store weights of few values as a codebook and a byte a weight"
    algebra: ClassVar[str] = "w = values[codes]"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Codebook | Refusal | None:
        """The weight is a constant of float32 with at most 256 values, and smaller as a look-up."""
        name = node.input(1)
        if node.op not in _WEIGHTED or not node.standard or not graph.is_constant(name):
            return None
        weight = graph.constant(name)
        if weight is None or weight.dtype != np.float32:
            return Refusal("its weight is not float32")
        if graph.is_output(name):
            return Refusal("its weight is read inside of a branch or leaves the graph")
        values, codes = np.unique(weight, return_inverse=True)
        if len(values) > MOST_VALUES:
            return Refusal(f"its weight has {len(values):,} values, and a byte tells {MOST_VALUES} apart")
        if weight.size + values.nbytes + _NODE_BYTES >= weight.nbytes:
            return Refusal("a look-up would not be smaller")
        return Codebook(name, values, codes.reshape(weight.shape).astype(np.uint8))

    def rewrite(self, graph: Graph, node: Node, match: Codebook) -> str:
        """All who read the weight read the look-up."""
        codes = graph.add_constant(match.codes, "codes")
        values = graph.add_constant(match.values, "codebook")
        places = graph.make("Cast", [codes], "", to=int(onnx.TensorProto.INT32))
        found = graph.make("Gather", [values, places.output], "", axis=0)
        graph.redirect(match.name, found.output)
        graph.drop_constant(match.name)
        return f"{match.codes.size:,} weights of {len(match.values)} values"
