"""Remove nodes that hand on what they are given."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.layout_rules import slice_ranges
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

Reason = str


class EliminateIdentities(Pass[tuple[str, Reason]]):
    """Let readers of a node that changes nothing read its input."""

    purpose: ClassVar[str] = "remove nodes that change nothing"
    algebra: ClassVar[str] = "x + 0 = x · 1 = reshape(x, shape(x)) = x"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> tuple[str, Reason] | Refusal | None:
        """The node changes nothing, and nobody needs it for its name."""
        rule = _RULES.get(node.op) if node.standard else None
        found = rule(graph, node) if rule else None
        if found is None:
            return None
        if not graph.can_replace(node.output, found[0]):
            return Refusal("the caller names both its input and its output")
        return found

    def rewrite(self, graph: Graph, node: Node, match: tuple[str, Reason]) -> str:
        """Take it out."""
        graph.replace(node.output, node, match[0])
        return match[1]


Found = tuple[str, Reason] | None


def _identity(_graph: Graph, node: Node) -> Found:
    return node.input(0), "it is an identity"


def _dropout(graph: Graph, node: Node) -> Found:
    training = graph.constant(node.input(2)) if node.input(2) else None
    if (node.input(2) and training is None) or (training is not None and training.any()):
        return None
    mask_read = len(node.outputs) > 1 and (graph.readers(node.outputs[1]) or graph.is_output(node.outputs[1]))
    return None if mask_read else (node.input(0), "dropout does nothing in inference")


def _cast(graph: Graph, node: Node) -> Found:
    return (
        (node.input(0), "it casts to the type it has") if graph.shapes.type(node.input(0)) == node.get("to") else None
    )


def _same_shape(graph: Graph, node: Node) -> Found:
    return (node.input(0), "the shape stays") if graph.shapes.same(node.input(0), node.output) else None


def _squeeze(graph: Graph, node: Node) -> Found:
    rank = graph.shapes.rank(node.input(0))
    return (node.input(0), "the shape stays") if rank is not None and rank == graph.shapes.rank(node.output) else None


def _transpose(graph: Graph, node: Node) -> Found:
    order = node.get("perm")
    return (node.input(0), "the order stays") if order == list(range(len(order or ()))) and order else None


def _pad(graph: Graph, node: Node) -> Found:
    pads = graph.shapes.setting(node, "pads", 1)
    return (node.input(0), "it pads by nothing") if pads and not any(pads) else None


def _slice(graph: Graph, node: Node) -> Found:
    ranges, shape = slice_ranges(node, graph.shapes), graph.shapes.shape(node.input(0))
    if ranges is None or shape is None:
        return None
    for axis, (start, end, step) in ranges.items():
        side = shape[axis]
        reaches = end >= 2**31 - 1 or (isinstance(side, int) and end >= side)
        from_start = start == 0 or (isinstance(side, int) and start <= -side)
        if step != 1 or not from_start or not reaches:
            return None
    return node.input(0), "it takes everything"


def _single(_graph: Graph, node: Node) -> Found:
    return (node.input(0), "it has one input") if len(node.inputs) == 1 else None


def _neutral(number: float, *, right_only: bool) -> Callable[[Graph, Node], Found]:
    def rule(graph: Graph, node: Node) -> Found:
        for place in (1,) if right_only else (1, 0):
            constant = graph.constant(node.input(place)) if graph.is_constant(node.input(place)) else None
            other = node.input(1 - place)
            # The shape must not grow by broadcasting.
            same = constant is not None and constant.size and graph.shapes.same(other, node.output)
            if same and np.all(constant == number):
                return other, f"it {_WORDS[node.op]} {number:g}"
        return None

    return rule


_WORDS = {"Add": "adds", "Sub": "subtracts", "Mul": "multiplies by", "Div": "divides by", "Pow": "raises to"}

_RULES: Mapping[str, Callable[[Graph, Node], Found]] = {
    "Identity": _identity,
    "Dropout": _dropout,
    "Cast": _cast,
    "Reshape": _same_shape,
    "Flatten": _same_shape,
    "Expand": _same_shape,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
    "Transpose": _transpose,
    "Pad": _pad,
    "Slice": _slice,
    "Concat": _single,
    "Sum": _single,
    "Max": _single,
    "Min": _single,
    "Add": _neutral(0, right_only=False),
    "Sub": _neutral(0, right_only=True),
    "Mul": _neutral(1, right_only=False),
    "Div": _neutral(1, right_only=True),
    "Pow": _neutral(1, right_only=True),
}
