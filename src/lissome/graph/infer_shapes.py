"""Find the shapes of a whole graph."""

from collections.abc import Sequence

import onnx

from lissome.graph.node import Node
from lissome.graph.shape_rules import RULES
from lissome.graph.shapes import Constants, Shapes


def infer_shapes(
    graph: Constants, inputs: Sequence[onnx.ValueInfoProto], constants: Sequence[str], nodes: Sequence[Node]
) -> Shapes:
    """Return what is known of every tensor.

    Args:
        graph: Where the constants are.
        inputs: Declared inputs.
        constants: Names of the constants.
        nodes: All nodes, sorted.
    """
    shapes = Shapes(graph, inputs, constants)
    for node in nodes:
        infer_node(node, shapes)
    return shapes


def infer_node(node: Node, shapes: Shapes) -> None:
    """Write down what one node makes, of inputs that are known already."""
    rule = RULES.get(node.op) if node.standard else None
    if rule is None:
        return
    try:
        rule(node, shapes)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return  # a node that makes no sense: nothing is known of what it writes
