"""Where each channel comes from, through any tangle of concatenations, splits, gathers, reshapes and transposes.

As in `tracing`, no operator has a rule: the very nodes are run, on labels. Each element of each tensor that enters the
tangle gets a number; where a number comes out says which element went there. If whole images arrive, unmixed, it was
channels that were moved, and how they were moved does not matter any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lissome.graph.evaluate import EVALUATORS
from lissome.graph.graph import Array, Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Refusal

MOVES = ("Concat", "Split", "Slice", "Gather", "Reshape", "Transpose", "Identity")
_MOST_LABELS = 1 << 24

Channel = tuple[int, int]
"""Which tensor, and which of its channels."""


@dataclass(frozen=True, slots=True)
class Routes:
    """A tangle, understood.

    Args:
        nodes: What moves channels and nothing else.
        sources: Tensors that enter.
        sinks: For each tensor that is read outside: where each of its channels comes from.
        sizes: Elements of one channel's image, for each source (all are of one size).
    """

    nodes: tuple[Node, ...]
    sources: tuple[str, ...]
    sinks: dict[str, tuple[Channel, ...]]
    pixels: int


def is_move(graph: Graph, node: Node) -> bool:
    """Tell whether a node only moves elements, by constants."""
    if node.op not in MOVES or not node.standard or graph.shapes.type(node.input(0)) != 1:
        return False
    if node.op == "Concat":
        return not any(graph.is_constant(name) for name in node.inputs)
    return all(graph.is_constant(name) for name in node.inputs[1:] if name) and not graph.is_constant(node.input(0))


def regions(graph: Graph) -> list[tuple[Node, ...]]:
    """Return the connected sets of moving nodes, each sorted, in the order of their first node."""
    moves = [node for node in graph.sorted_nodes() if is_move(graph, node)]
    leader: dict[Node, Node] = {node: node for node in moves}

    def find(node: Node) -> Node:
        while leader[node] is not node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for node in moves:
        for name in node.outputs:
            for reader in graph.readers(name):
                if reader in leader:
                    leader[find(reader)] = find(node)
    groups: dict[Node, list[Node]] = {}
    for node in moves:
        groups.setdefault(find(node), []).append(node)
    return [tuple(group) for group in groups.values()]


def trace_routes(graph: Graph, nodes: tuple[Node, ...]) -> Routes | Refusal:
    """Run a tangle on labels."""
    inside = set(nodes)
    made = {name for node in nodes for name in node.outputs}
    sources = list(dict.fromkeys(name for node in nodes for name in _data(node) if name not in made))
    sinks = [
        name
        for node in nodes
        for name in node.outputs
        if name and (graph.is_output(name) or any(one not in inside for one in graph.readers(name)))
    ]
    labels = _labels(graph, sources)
    if isinstance(labels, Refusal):
        return labels
    refusal = _run(graph, nodes, labels)
    if refusal is not None:
        return refusal
    starts = np.cumsum([0, *(labels[name].size for name in sources)])
    shape = labels[sources[0]].shape
    found: dict[str, tuple[Channel, ...]] = {}
    for name in sinks:
        channels = _channels(labels[name], [labels[one] for one in sources], starts)
        if channels is None:
            return Refusal("it moves pixels, not only whole channels")
        found[name] = channels
    return Routes(nodes, tuple(sources), found, shape[2] * shape[3])


def _data(node: Node) -> Iterable[str]:
    return node.inputs if node.op == "Concat" else node.inputs[:1]


def _labels(graph: Graph, sources: list[str]) -> dict[str, Array] | Refusal:
    """Give every element of every source its number; a free batch is taken as two, other free sides as three."""
    labels: dict[str, Array] = {}
    start, image = 0, None
    for name in sources:
        shape = graph.shapes.shape(name)
        if shape is None or len(shape) != 4 or None in shape:
            return Refusal("the shape of what enters is not known")
        sides = [side if isinstance(side, int) else (2 if place == 0 else 3) for place, side in enumerate(shape)]
        if image not in (None, (sides[0], *sides[2:])):
            return Refusal("images of different sizes meet")
        image = (sides[0], *sides[2:])
        count = int(np.prod(sides, dtype=object))
        if start + count > _MOST_LABELS:
            return Refusal("it is too large to follow")
        labels[name] = np.arange(start, start + count).reshape(sides)
        start += count
    return labels


def _run(graph: Graph, nodes: tuple[Node, ...], labels: dict[str, Array]) -> Refusal | None:
    for node in nodes:
        constants = [graph.constant(name) for name in node.inputs[1:] if name] if node.op != "Concat" else []
        inputs = [*(labels[name] for name in _data(node)), *(one for one in constants if one is not None)]
        try:
            outputs = EVALUATORS[node.op](graph, node, inputs)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            outputs = None
        if outputs is None:
            return Refusal(f"{node} cannot be followed")
        many = outputs if isinstance(outputs, list) else [outputs]
        if len(many) != len(node.outputs):
            return Refusal(f"{node} cannot be followed")
        labels.update(zip(node.outputs, many, strict=True))
    return None


def _channels(sink: Array, sources: list[Array], starts: Array) -> tuple[Channel, ...] | None:
    """Return where each channel of a tensor comes from, or None if one is not a whole channel of a source."""
    if sink.ndim != 4 or sink.shape[0] != sources[0].shape[0] or sink.shape[2:] != sources[0].shape[2:]:
        return None
    first = sink[0, :, 0, 0]
    owner = np.searchsorted(starts, first, side="right") - 1
    pixels = sink.shape[2] * sink.shape[3]
    channel = (first - starts[owner]) // pixels
    for place in range(sink.shape[1]):
        whole = sources[owner[place]]
        if channel[place] >= whole.shape[1] or not np.array_equal(sink[:, place], whole[:, channel[place]]):
            return None
    return tuple(zip(owner.tolist(), channel.tolist(), strict=True))
