"""Do without a concatenation: who would read the whole reads the parts, by weights that are divided instead.

A concatenation copies everything it joins, and where its parts are no whole blocks of the engine's layout it also
costs two changes of layout. A convolution of joined channels is the sum of convolutions of the parts, and engines add
into a convolution's result for little. Between the two, depthwise convolutions, poolings and sums work part by part.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lissome.graph.convolution import Convolution, read_convolution, write_convolution
from lissome.graph.divided import Division, divide_from, part_sizes
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

NODE_COST = 12_000
"""What one node more costs, in elements copied: some 3 µs at some 4 elements a ns."""
MACS_PER_ELEMENT = 30
"""Multiply-adds that take the time of copying one element."""


class EliminateConcats(Pass[Division]):
    """Divide weights instead of joining activations."""

    purpose: ClassVar[str] = "divide the weights of who reads a concatenation, and do without it"
    algebra: ClassVar[str] = "(U, V)*(x; y) = U*x + V*y"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Division | Refusal | None:
        """Everything concerned can be divided, and less is copied afterwards."""
        if part_sizes(graph, node) is None or graph.shapes.rank(node.output) != 4:
            return None
        found = divide_from(graph, node)
        obstacle = found if isinstance(found, Refusal) else _obstacle(graph, found, facts)
        if isinstance(found, Refusal) or obstacle is not None:
            return obstacle
        saved, cost = _saved(graph, found, facts), _cost(graph, found, facts)
        if saved <= cost:
            return Refusal(f"dividing costs as much as copying {cost:,.0f} elements, and saves {saved:,.0f}")
        return found

    def rewrite(self, graph: Graph, node: Node, match: Division) -> str:
        """Make every divided tensor in parts."""
        parts: dict[str, list[str]] = {}
        inner = {*match.joins, *match.rows, *match.between, *match.columns}
        for one in [node for node in graph.sorted_nodes() if node in inner]:
            if one in match.joins:
                parts[one.output] = list(one.inputs)
            elif one in match.between:
                parts[one.output] = _each(graph, one, [parts.get(name, [name]) for name in one.inputs], match)
            else:
                sources = parts[one.input(0)] if one in match.columns else [one.input(0)]
                made = _convolve(graph, one, sources, match.sizes if one in match.rows else None)
                if one in match.rows:
                    parts[one.output] = made
                else:
                    graph.replace(one.output, one, made[0])
        for one in match.into:
            graph.set_inputs(one, [part for name in one.inputs for part in parts.get(name, [name])])
        gone = [one for one in graph.nodes if one in inner and one in graph]
        graph.remove(*gone)
        graph.forget_shapes()
        return f"{len(match.joins)} concatenations of {'+'.join(map(str, match.sizes))} channels are gone"


def _obstacle(graph: Graph, found: Division, facts: EngineFacts) -> Refusal | None:
    if any(graph.is_output(name) for name in found.tensors):
        return Refusal("the whole leaves the graph")
    makers = [graph.maker(name) for join in found.joins for name in join.inputs]
    if any(one is not None and one.op in ("Split", "Slice", "Gather") for one in makers):
        return Refusal("its parts were cut from larger tensors, and would be copied all the same")
    if facts.part_cost and any(size % facts.block for size in found.sizes):
        return Refusal(f"its parts are no whole blocks of {facts.block} channels: {facts.part_cost}")
    if facts.part_cost and found.rows:
        return Refusal(f"who makes what it is combined with would be divided as well: {facts.part_cost}")
    return None


def _each(graph: Graph, node: Node, inputs: list[list[str]], match: Division) -> list[str]:
    """Repeat a node for each part."""
    numbers = read_convolution(graph, node)
    made, start = [], 0
    for place, size in enumerate(match.sizes):
        if numbers is not None:
            cut = slice(start, start + size)
            some = replace(numbers, weight=numbers.weight[cut], bias=numbers.bias[cut], group=size)
            made.append(write_convolution(graph, inputs[0][place], some).output)
        else:
            names = [one[place] if len(one) > 1 else one[0] for one in inputs]
            made.append(graph.make(node.op, names, **node.attributes).output)
        start += size
    return made


def _convolve(graph: Graph, node: Node, sources: list[str], rows: tuple[int, ...] | None) -> list[str]:
    """Return the parts of a convolution of divided input; one part unless rows are given."""
    numbers = read_convolution(graph, node)
    if numbers is None:
        raise ValueError(f"{node} has no constant weight")
    widths = [graph.shapes.channels(name) or 0 for name in sources] if len(sources) > 1 else [numbers.inputs]
    made, row = [], 0
    for size in rows or (numbers.outputs,):
        total, column = "", 0
        for source, width in zip(sources, widths, strict=True):
            weight = numbers.weight[row : row + size, column : column + width]
            bias = numbers.bias[row : row + size] if column == 0 else np.zeros(size)
            part = write_convolution(graph, source, replace(numbers, weight=weight, bias=bias)).output
            total = graph.make("Add", [total, part]).output if total else part
            column += width
        made.append(total)
        row += size
    return made


def _pixels(graph: Graph, name: str) -> int:
    shape = graph.shapes.shape(name) or ()
    return int(np.prod([side if isinstance(side, int) else 1 for side in shape[2:]], dtype=np.int64))


def _saved(graph: Graph, found: Division, facts: EngineFacts) -> float:
    """Return what the concatenations cost, in elements copied."""
    whole_blocks = all(size % facts.block == 0 for size in found.sizes)
    total = 0.0
    for join in found.joins:
        elements = 2 * sum(found.sizes) * _pixels(graph, join.output)
        total += elements + NODE_COST
        if not whole_blocks and facts.align > 1:  # out of the layout and back
            total += 2 * elements + (len(found.sizes) + 1) * NODE_COST
    return total


def _cost(graph: Graph, found: Division, facts: EngineFacts) -> float:
    """Return what dividing costs: more nodes, results written once a part, blocks that are not full."""
    more = len(found.sizes) - 1
    total = float((len(found.rows) + len(found.between)) * more * NODE_COST)
    waste = sum(_full(size, facts) for size in found.sizes) - _full(sum(found.sizes), facts)
    for node in found.columns:
        numbers = read_convolution(graph, node)
        if numbers is not None:
            pixels = _pixels(graph, node.output)
            total += more * (2 * numbers.outputs * pixels + NODE_COST)
            total += _waste(numbers, waste, pixels, facts)
    return total


def _waste(numbers: Convolution, channels: int, pixels: int, facts: EngineFacts) -> float:
    taps = int(np.prod(numbers.window.kernel))
    return channels * _full(numbers.outputs, facts) * taps * pixels / MACS_PER_ELEMENT


def _full(channels: int, facts: EngineFacts) -> int:
    return -(-channels // facts.block) * facts.block
