"""Find what has to be divided along with a tensor, if its parts are never to be written side by side.

From a concatenation, division spreads: to what is computed from it channel by channel, to what that is added to, and
to who makes that. It ends at convolutions, which can make some of their channels, and can add up what they make of
some.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lissome.graph.convolution import read_convolution
from lissome.graph.free_channels import ELEMENTWISE, POOLINGS
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Refusal

MOST_TENSORS = 400


@dataclass(slots=True)
class Division:
    """What is divided, and where it begins and ends.

    Args:
        sizes: Channels of each part.
        tensors: All tensors that are divided.
        joins: Concatenations that go.
        rows: Convolutions that make a divided tensor.
        between: Nodes that work on each part by itself.
        columns: Convolutions that read a divided tensor.
        into: Concatenations that read the parts instead of the whole.
    """

    sizes: tuple[int, ...]
    tensors: dict[str, None] = field(default_factory=dict)
    joins: dict[Node, None] = field(default_factory=dict)
    rows: dict[Node, None] = field(default_factory=dict)
    between: dict[Node, None] = field(default_factory=dict)
    columns: dict[Node, None] = field(default_factory=dict)
    into: dict[Node, None] = field(default_factory=dict)


def divide_from(graph: Graph, join: Node) -> Division | Refusal:
    """Return what would have to be divided to do without a concatenation."""
    sizes = part_sizes(graph, join)
    if sizes is None:
        return Refusal("the channels of its parts are not known")
    return _spread(graph, join.output, Division(sizes))


def bound_to(graph: Graph, tensor: str) -> Division | Refusal:
    """Return all whose number of channels must change together with a tensor's: a division into one part."""
    channels = graph.shapes.channels(tensor)
    return Refusal("its channels are not known") if channels is None else _spread(graph, tensor, Division((channels,)))


def _spread(graph: Graph, start: str, found: Division) -> Division | Refusal:
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found.tensors:
            continue
        if len(found.tensors) >= MOST_TENSORS:
            return Refusal("too much of the network would have to be divided")
        found.tensors[name] = None
        for step in (_upwards, _downwards):
            more = step(graph, name, found)
            if isinstance(more, Refusal):
                return more
            waiting += more
    return found


def part_sizes(graph: Graph, join: Node) -> tuple[int, ...] | None:
    """Return the channels of each input of a concatenation along axis 1, or None."""
    if join.op != "Concat" or join.get("axis") not in (1, 1 - (graph.shapes.rank(join.output) or 0)):
        return None
    if any(graph.is_constant(name) for name in join.inputs):
        return None
    sizes = [graph.shapes.channels(name) for name in join.inputs]
    known = tuple(one for one in sizes if one is not None)
    return known if len(known) == len(sizes) > 1 else None


def _upwards(graph: Graph, name: str, found: Division) -> list[str] | Refusal:
    maker = graph.maker(name)
    if maker is None:
        return Refusal(f"{name} comes from outside in one piece")
    if part_sizes(graph, maker) == found.sizes:
        found.joins[maker] = None
        return []
    numbers = read_convolution(graph, maker)
    if numbers is not None and numbers.plain and numbers.window.pads is not None:
        found.rows[maker] = None
        return []
    inputs = _by_channel(graph, maker, name)
    if inputs is None:
        return Refusal(f"{maker} cannot make its parts by themselves")
    found.between[maker] = None
    return inputs


def _downwards(graph: Graph, name: str, found: Division) -> list[str] | Refusal:
    more: list[str] = []
    for reader in graph.readers(name):
        numbers = read_convolution(graph, reader)
        if part_sizes(graph, reader) is not None:
            found.into[reader] = None
        elif (
            numbers is not None and numbers.plain and numbers.window.pads is not None and reader.inputs.count(name) == 1
        ):
            found.columns[reader] = None
        elif _by_channel(graph, reader, reader.output) is not None:
            more.append(reader.output)
        else:
            return Refusal(f"{reader} needs it in one piece")
    return more


def _by_channel(graph: Graph, node: Node, output: str) -> list[str] | None:
    """Return the inputs that have to be divided like the output of a node that treats each channel by itself."""
    rule = _RULES.get(node.op) if node.standard and [one for one in node.outputs if one] == [output] else None
    return rule(graph, node) if rule else None


def _one_input(graph: Graph, node: Node) -> list[str] | None:
    return [node.input(0)] if all(graph.is_constant(name) for name in node.inputs[1:] if name) else None


def _arithmetic(graph: Graph, node: Node) -> list[str] | None:
    channels = {graph.shapes.channels(name) for name in (*node.inputs, node.output)}
    ranks = {graph.shapes.rank(name) for name in (*node.inputs, node.output)}
    if len(channels) != 1 or None in channels or len(ranks) != 1 or any(graph.is_constant(one) for one in node.inputs):
        return None
    return list(node.inputs)


def _depthwise(graph: Graph, node: Node) -> list[str] | None:
    numbers = read_convolution(graph, node)
    fits = numbers is not None and numbers.depthwise and numbers.window.pads is not None
    return [node.input(0)] if fits else None


_RULES: Mapping[str, Callable[[Graph, Node], list[str] | None]] = {
    **dict.fromkeys((*ELEMENTWISE, *POOLINGS), _one_input),
    **dict.fromkeys(("Add", "Mul", "Sub"), _arithmetic),
    "Conv": _depthwise,
}
