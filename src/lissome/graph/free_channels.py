"""Where the order of channels is free: between layers whose weights can be permuted, nobody else sees it.

A chain downwards from a tensor ends at convolutions that take their columns in any order; a chain upwards ends at the
one that writes its rows in any order. Depthwise convolutions and element-wise functions lie in between and follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lissome.graph.convolution import read_convolution, set_convolution
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Refusal

ELEMENTWISE = (
    "Relu",
    "LeakyRelu",
    "Clip",
    "HardSwish",
    "HardSigmoid",
    "Sigmoid",
    "Tanh",
    "Elu",
    "Mish",
    "Gelu",
    "Softplus",
    "Identity",
)
"""Functions of one number that are finite at 0; any order and any number of channels is the same to them."""

POOLINGS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
"""They treat each channel by itself."""

NOTHING = -1
"""Stands in an order for a channel of zeros that was not there before."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Nodes to which an order of channels must be told.

    Args:
        rows: Convolutions whose output channels follow.
        depthwise: Depthwise convolutions, where both follow.
        columns: Convolutions whose input channels follow.
        pooled: Poolings in between, which follow by themselves.
    """

    rows: tuple[Node, ...] = ()
    depthwise: tuple[Node, ...] = ()
    columns: tuple[Node, ...] = ()
    pooled: tuple[Node, ...] = ()


def chain_below(graph: Graph, tensor: str, *, ignore: Callable[[Node], bool] = lambda _: False) -> Chain | Refusal:
    """Return all that reads a tensor, if its channels may come in any order.

    Args:
        graph: The graph.
        tensor: The tensor.
        ignore: Readers that the caller rewires himself.
    """
    depthwise: list[Node] = []
    columns: list[Node] = []
    pooled: list[Node] = []
    waiting = [tensor]
    while waiting:
        name = waiting.pop()
        if graph.is_output(name):
            return Refusal(f"{name} leaves the graph")
        for reader in graph.readers(name):
            if name == tensor and ignore(reader):
                continue
            if _elementwise(graph, reader):
                waiting.append(reader.output)
                pooled += [reader] if reader.op in POOLINGS else []
                continue
            numbers = read_convolution(graph, reader)
            if numbers is None or reader.inputs.count(name) != 1 or name != reader.input(0):
                return Refusal(f"{reader} needs the channels in their order")
            if numbers.plain:
                columns.append(reader)
            elif numbers.depthwise:
                depthwise.append(reader)
                waiting.append(reader.output)
            else:
                return Refusal(f"{reader} is of {numbers.group} groups, whose members must stay together")
    return Chain(depthwise=tuple(depthwise), columns=tuple(columns), pooled=tuple(pooled))


def chain_above(graph: Graph, tensor: str, *, ignore: Callable[[Node], bool] = lambda _: False) -> Chain | Refusal:
    """Return all that makes a tensor, if its channels may be made in any order.

    Args:
        graph: The graph.
        tensor: The tensor.
        ignore: Readers of the tensor that the caller rewires himself; there must be no others.
    """
    depthwise: list[Node] = []
    name = tensor
    while True:
        readers = graph.readers(name)
        others = [one for one in readers if not (name == tensor and ignore(one))]
        if graph.is_output(name):
            return Refusal(f"{name} leaves the graph")
        if (name == tensor and others) or (name != tensor and len(readers) != 1):
            return Refusal(f"{name} is read elsewhere as well")
        maker = graph.maker(name)
        if maker is None:
            return Refusal(f"{name} is an input of the graph")
        if _elementwise(graph, maker):
            name = maker.input(0)
            continue
        numbers = read_convolution(graph, maker)
        if numbers is not None and numbers.plain:
            return Chain(rows=(maker,), depthwise=tuple(depthwise))
        if numbers is None or not numbers.depthwise:
            return Refusal(f"{maker} makes the channels in a fixed order")
        depthwise.append(maker)
        name = maker.input(0)


def _elementwise(graph: Graph, node: Node) -> bool:
    if not node.standard:
        return False
    if node.op in POOLINGS:
        return len([name for name in node.outputs if name]) == 1
    if node.op not in ELEMENTWISE:
        return False
    return all(graph.is_constant(name) for name in node.inputs[1:] if name)


def rearrange(graph: Graph, chain: Chain, order: Sequence[int]) -> None:
    """Tell a new order of channels to all nodes of a chain.

    Args:
        graph: The graph, which is changed.
        chain: Who must know.
        order: For each new channel the old one, or `NOTHING`.
    """
    places = np.asarray(order, dtype=np.int64)
    for node in (*chain.rows, *chain.depthwise, *chain.columns):
        numbers = read_convolution(graph, node)
        if numbers is None:
            raise ValueError(f"{node} has no constant weight")
        if node in chain.columns:
            made = replace(numbers, weight=_taken(numbers.weight, places, 1))
        else:
            made = replace(numbers, weight=_taken(numbers.weight, places, 0), bias=_taken(numbers.bias, places, 0))
        if node in chain.depthwise:
            graph.set_attribute(node, "group", len(places))
        set_convolution(graph, node, made)
    graph.forget_shapes()


def _taken(array: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    taken = np.take(array, np.maximum(places, 0), axis=axis)
    shape = [1] * array.ndim
    shape[axis] = -1
    return np.where((places >= 0).reshape(shape), taken, 0.0)
