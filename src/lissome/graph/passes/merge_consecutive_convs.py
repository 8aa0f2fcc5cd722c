"""Multiply the weights of two convolutions in a row, one of them pointwise, where that takes fewer MACs."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lissome.graph.convolution import Convolution, fits_float32, read_convolution, write_convolution
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

Pair = tuple[Node, Convolution]


class MergeConsecutiveConvs(Pass[Pair]):
    """Make one convolution of two with nothing in between."""

    purpose: ClassVar[str] = "make one convolution of two in a row, where that is less work"
    algebra: ClassVar[str] = "V*(W*x + b) + c = (V·W)*x + (V·b + c), V or W of 1x1, without padding after b"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Pair | Refusal | None:
        """Nothing stands in between, nobody else reads the middle, and the product is smaller."""
        before = graph.maker(node.input(0))
        first, second = read_convolution(graph, before), read_convolution(graph, node)
        if before is None or first is None or second is None:
            return None
        if graph.only_reader(before.output) is not node:
            return Refusal(f"{before} is read elsewhere as well")
        if not (first.plain and second.plain):
            return Refusal("one of them is of several groups")
        separate = first.weight.size + second.weight.size
        taps = max(first.weight[0, 0].size, second.weight[0, 0].size)
        together = first.inputs * second.outputs * taps
        if together >= separate:
            return Refusal(f"one would cost {together / separate:.2f} times the MACs of both")
        merged = _merged(first, second)
        return merged if isinstance(merged, Refusal) else (before, merged)

    def rewrite(self, graph: Graph, node: Node, match: Pair) -> str:
        """One convolution takes the place of both."""
        before, merged = match
        made = write_convolution(graph, before.input(0), merged)
        graph.replace(node.output, node, made.output)
        graph.remove(before)
        return f"{before} and it became one"


def _merged(first: Convolution, second: Convolution) -> Convolution | Refusal:
    if second.window.pointwise and first.window.pads is not None:
        matrix = second.exact.reshape(second.outputs, -1)
        weight = np.tensordot(matrix, first.exact, axes=1)
        made = replace(first, weight=weight, bias=matrix @ first.bias + second.bias)
    elif first.window.pointwise:
        if first.bias.any() and (second.window.pads is None or any(second.window.pads)):
            return Refusal("the second pads with zeros, which the bias of the first would have to come before")
        matrix = first.exact.reshape(first.outputs, -1)
        weight = np.moveaxis(np.tensordot(second.exact, matrix, axes=(1, 0)), -1, 1)
        added = second.exact.sum(axis=tuple(range(2, second.weight.ndim))) @ first.bias
        made = replace(second, weight=weight, bias=second.bias + added)
        if second.window.pads is None:
            return Refusal("the second pads automatically")
    else:
        return Refusal("neither looks at single pixels")
    return made if fits_float32(made.weight, made.bias) else Refusal("the product is not finite")
