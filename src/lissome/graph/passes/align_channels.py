"""Add channels of zeros where an engine would otherwise leave its blocked layout.

ONNX Runtime keeps images in blocks of 16 channels while every layer allows it. A convolution that reads fewer than 16,
or no multiple of 4, takes plain layout instead, a pooling wants whole blocks. With 58 channels (ShuffleNetV2 x1.0)
everything goes back to plain layout, copies, and runs the depthwise convolution seven times slower; inside of the
layout 58 channels take the room and the time of 64 anyway.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lissome.graph.convolution import Floats, read_convolution, set_convolution
from lissome.graph.divided import Division, bound_to
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.free_channels import POOLINGS
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

Widening = tuple[Division, int]


class AlignChannels(Pass[Widening]):
    """Pad channel counts with zeros, up to the engine's block."""

    purpose: ClassVar[str] = "add channels of zeros where the engine would leave its blocked layout"
    algebra: ClassVar[str] = "V*(W*x) = (V, 0)*((W; 0)*x)"

    def requires(self, graph: Graph, facts: EngineFacts) -> Refusal | None:
        """An engine that has such a layout and such a limit."""
        return Refusal(f"{facts.name} is not known to need it") if facts.align == 1 else None

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Widening | Refusal | None:
        """A convolution whose channels only layers with constant weights read, and which do not fit."""
        numbers = read_convolution(graph, node)
        if numbers is None or not numbers.plain or numbers.outputs % facts.block == 0:
            return None
        below = bound_to(graph, node.output)
        unfit = numbers.outputs < facts.block or numbers.outputs % facts.align
        if isinstance(below, Refusal):
            return below if unfit else None
        if not below.columns or not (unfit or any(one.op in POOLINGS for one in below.between)):
            return None
        reason = _obstacle(graph, below)
        return reason or (below, -(-numbers.outputs // facts.block) * facts.block)

    def rewrite(self, graph: Graph, node: Node, match: Widening) -> str:
        """Add rows, columns, and depthwise kernels of zeros."""
        found, aligned = match
        channels = found.sizes[0]
        for one in (*found.rows, *found.between, *found.columns):
            numbers = read_convolution(graph, one)
            if numbers is None:
                continue
            weight, bias = numbers.weight, numbers.bias
            if one in found.columns:
                weight = _with_zeros(weight, 1, aligned - channels)
            if one in found.rows or one in found.between:
                weight, bias = _with_zeros(weight, 0, aligned - channels), _with_zeros(bias, 0, aligned - channels)
            if one in found.between:
                graph.set_attribute(one, "group", aligned)
            set_convolution(graph, one, replace(numbers, weight=weight, bias=bias))
        graph.forget_shapes()
        return f"{channels} channels became {aligned}"


def _obstacle(graph: Graph, below: Division) -> Refusal | None:
    if below.into or below.joins:
        return Refusal("they are joined with others")
    if any(graph.is_output(name) for name in below.tensors):
        return Refusal("they leave the graph")
    if all(_pixels(graph, name) == 1 for name in below.tensors):
        return Refusal("images of one pixel have no layout")
    return None


def _with_zeros(array: Floats, axis: int, count: int) -> Floats:
    padding = [(0, count if place == axis else 0) for place in range(array.ndim)]
    made: Floats = np.pad(array.astype(np.float64), padding)
    return made


def _pixels(graph: Graph, name: str) -> int:
    product = 1
    for side in (graph.shapes.shape(name) or ())[2:]:
        product *= side if isinstance(side, int) else 2
    return product
