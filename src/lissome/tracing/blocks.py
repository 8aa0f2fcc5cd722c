"""Blocks: parts of a traced network with one way in and one way out, of one shape, that the network can do without."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from lissome.core.module_graph import evaluation_mode
from lissome.tracing.calls import operator_name
from lissome.tracing.flow import Flow

_GATES = ("mul", "imul", "mul_", "multiply", "matmul", "bmm")
_SHUFFLES = ("view", "reshape", "permute", "transpose", "contiguous", "flatten", "unflatten", "channel_shuffle")
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
_ACTIVATIONS = ("torch.nn.modules.activation", "torch.nn.modules.dropout")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a network that can be skipped: what enters has the shape of what leaves.

    Args:
        name: The path that its layers have in common, or the first layer's.
        entry: The node whose value it reads; it is no part of the block.
        exit: The node whose value the rest of the network reads.
        nodes: All nodes of the block, the exit among them.
        layers: Paths of its layers with parameters, in the order of the network.
    """

    name: str
    entry: fx.Node
    exit: fx.Node
    nodes: frozenset[fx.Node]
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fixture:
    """What looks like a block and cannot be skipped, and why."""

    name: str
    reason: str


class _Recorder(fx.Interpreter):
    """Keeps the value of every node."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)


def find_blocks(
    graph: fx.GraphModule, inputs: tuple[Tensor, ...], *, chains: bool = False
) -> tuple[list[Block], list[Fixture]]:
    """Return the blocks of a network in its order, and what looks like one and cannot be skipped.

    A block begins where data part and ends where they join again (a sum, a concatenation), with what only finishes it:
    an activation that its input went through already, a channel shuffle. A product is a gate, not a block.

    Args:
        graph: The network, without dead nodes.
        inputs: Example inputs.
        chains: Also find single convolutions whose output has the shape of their input, with their normalisation and
            activation; to skip one costs more than to skip a block with a shortcut.

    Example:
        >>> from lissome.core.module_graph import trace
        >>> from lissome.layers.basic_block import BasicBlock
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 1), BasicBlock(8, 8), BasicBlock(8, 16, stride=2))
        >>> blocks, fixtures = find_blocks(trace(network), (torch.zeros(1, 3, 8, 8),))
        >>> [one.name for one in blocks], fixtures
        (['1'], [Fixture(name='2', reason='changes the shape from 8x8x8 to 16x4x4')])
    """
    finder = _Finder(graph, inputs)
    joined = [one for node in graph.graph.nodes if (one := finder.joined_at(node)) is not None]
    blocks = _without_partial_sums([one for one in joined if isinstance(one, Block)])
    if chains:
        inside = {node for one in blocks for node in one.nodes}
        blocks += [one for node in graph.graph.nodes if node not in inside and (one := finder.chain_at(node))]
    order = {node: place for place, node in enumerate(graph.graph.nodes)}
    known = {one.name for one in blocks}
    fixtures = {one.name: one for one in joined if isinstance(one, Fixture) and one.name not in known}
    return sorted(blocks, key=lambda one: order[one.exit]), list(fixtures.values())


def without_blocks(graph: fx.GraphModule, blocks: Iterable[Block]) -> fx.GraphModule:
    """Return a network whose blocks are gone, with their parameters; it shares the others with the one given.

    Args:
        graph: The network that the blocks were found in; its graph stays as it is.
        blocks: What is removed.
    """
    copy, twins = fx.Graph(), dict[fx.Node, fx.Node]()
    output = copy.graph_copy(graph.graph, twins)
    copy.output(output)
    instead: dict[fx.Node, fx.Node] = {}
    for block in blocks:
        instead[block.exit] = block.entry
    for leaves in instead:
        enters = instead[leaves]
        # What a block reads may be what another one that goes has made.
        while enters in instead:
            enters = instead[enters]
        twins[leaves].replace_all_uses_with(twins[enters])
    whole = fx.GraphModule(graph, copy, type(graph).__name__)
    whole.graph.eliminate_dead_code()
    # Made anew, it takes over no more than what its graph still names.
    short = fx.GraphModule(whole, whole.graph, type(graph).__name__)
    short.train(graph.training)
    return short


class _Finder:
    def __init__(self, graph: fx.GraphModule, inputs: tuple[Tensor, ...]) -> None:
        self.graph, self.flow = graph, Flow(graph.graph)
        recorder = _Recorder(graph)
        with evaluation_mode(graph), torch.no_grad():
            recorder.run(*inputs)
        self.values: Mapping[fx.Node, Any] = recorder.env

    def joined_at(self, node: fx.Node) -> Block | Fixture | None:
        """Return the block that ends where data join, if any do at this node."""
        sources = [one for one in node.all_input_nodes if self._is_tensor(one) and one.op != "get_attr"]
        if len(sources) < 2 or not self._is_tensor(node) or operator_name(node) in _GATES or node.op == "output":
            return None
        entry = self.flow.source_of(node)
        while entry is not None and not self._is_tensor(entry):
            entry = self.flow.source_of(entry)
        return None if entry is None else self._region(entry, node)

    def chain_at(self, node: fx.Node) -> Block | None:
        """Return the convolution at this node with what follows it, if its output has the shape of its input."""
        if node.op != "call_module" or not isinstance(self.graph.get_submodule(str(node.target)), _ConvNd):
            return None
        end = node
        while (follower := self.flow.sink_of(end)) and self._is_layer(follower, lambda one: isinstance(one, _NORMS)):
            end = follower
        found = self._region(node.all_input_nodes[0], end)
        return found if isinstance(found, Block) else None

    def _region(self, entry: fx.Node, end: fx.Node) -> Block | Fixture | None:
        """Return the block between two nodes, or why it is none; None where there is no layer between."""
        nodes = self.flow.between(entry, end)
        layers = self._layers(nodes)
        if not layers:
            return None
        name = _common_path(layers)
        before, after = self.values[entry].shape, self.values[end].shape
        if before != after:
            return Fixture(name, f"changes the shape from {_text(before)} to {_text(after)}")
        if entry.op == "placeholder":
            return Fixture(name, "reads the network's input itself")
        leak = next((one for one in nodes - {end} if any(user not in nodes for user in one.users)), None)
        if leak is not None and leak.op != "get_attr":
            return Fixture(name, f"its {leak.name} is used outside of it")
        end = self._finished(entry, end)
        nodes = self.flow.between(entry, end)
        return Block(name, entry, end, frozenset(nodes), layers)

    def _finished(self, entry: fx.Node, end: fx.Node) -> fx.Node:
        """Return the last node of what only finishes a block: activations done before, channel shuffles."""
        last = node = end
        while (follower := self.flow.sink_of(node)) is not None and follower.op != "output":
            node = follower
            between = self.flow.between(last, node)
            if any(user not in between for one in between - {node} for user in one.users):
                break
            if not all(self._is_done_before(entry, one) or self._is_shuffling(one) for one in between):
                break
            if self._is_tensor(node) and self.values[node].shape == self.values[entry].shape:
                last = node
        return last

    def _is_shuffling(self, node: fx.Node) -> bool:
        return (
            operator_name(node) in _SHUFFLES if self._is_tensor(node) else node.op in ("call_function", "call_method")
        )

    def _is_done_before(self, entry: fx.Node, node: fx.Node) -> bool:
        """Tell whether a node is an activation that leaves the block's input as it is, or that made it."""
        kind = self._activation(node)
        if kind is None:
            return False
        if self._activation(entry) == kind:
            return True
        value = self.values[entry]
        stand_in = {one: value if one is node.all_input_nodes[0] else self.values[one] for one in node.all_input_nodes}
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), stand_in.__getitem__)
        with evaluation_mode(self.graph), torch.no_grad():
            again = getattr(fx.Interpreter(self.graph), node.op)(node.target, args, kwargs)
        return isinstance(again, Tensor) and torch.equal(again, value)

    def _activation(self, node: fx.Node) -> str | None:
        if node.op == "call_module":
            layer = self.graph.get_submodule(str(node.target))
            known = type(layer).__module__ in _ACTIVATIONS and not list(layer.parameters())
            return repr(layer).replace("inplace=True", "") if known else None
        is_function = getattr(nn.functional, operator_name(node), None) is not None
        return operator_name(node) if is_function and len(node.all_input_nodes) == 1 else None

    def _is_layer(self, node: fx.Node, accepts: Callable[[nn.Module], bool]) -> bool:
        return node.op == "call_module" and accepts(self.graph.get_submodule(str(node.target)))

    def _is_tensor(self, node: fx.Node) -> bool:
        return isinstance(self.values.get(node), Tensor)

    def _layers(self, nodes: Iterable[fx.Node]) -> tuple[str, ...]:
        chosen = set(nodes)
        return tuple(
            str(node.target)
            for node in self.graph.graph.nodes
            if node in chosen and self._is_layer(node, lambda one: bool(list(one.parameters())))
        )


def _without_partial_sums(blocks: list[Block]) -> list[Block]:
    """Leave out what is only the first summands of a block that begins at the same place."""
    whole = {(one.entry, source) for one in blocks for source in _joins(one)}
    return [one for one in blocks if (one.entry, one.exit) not in whole]


def _joins(block: Block) -> Iterator[fx.Node]:
    """Yield what a block's joining node reads: the exit's own inputs, through what only finishes it."""
    node = block.exit
    while len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
    yield from node.all_input_nodes


def _common_path(layers: tuple[str, ...]) -> str:
    parts = [one.split(".") for one in layers]
    if len(parts) == 1:
        return layers[0]
    shared = list(itertools.takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False)))
    return ".".join(level[0] for level in shared) or layers[0]


def _text(shape: torch.Size) -> str:
    return "x".join(map(str, shape[1:]))
