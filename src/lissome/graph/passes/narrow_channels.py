"""Remove channels that are always zero or that nobody weighs: what pruning by masks leaves behind."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lissome.graph.convolution import Floats, read_convolution, set_convolution
from lissome.graph.divided import Division, bound_to
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

_ZERO_STAYS_ZERO = (
    *("Relu", "LeakyRelu", "HardSwish", "Tanh", "Elu", "Identity", "Add", "Sub", "Mul", "Conv"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
)

Narrowing = tuple[Division, npt.NDArray[np.int64]]


class NarrowChannels(Pass[Narrowing]):
    """Take dead channels out of all layers that carry them."""

    purpose: ClassVar[str] = "remove channels that are always zero, or that nobody weighs"
    algebra: ClassVar[str] = "(V, 0)*(W; U)*x = (V, U')*(W; 0)*x = V*W*x"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Narrowing | Refusal | None:
        """Some channels are dead, and enough of them for the engine to notice."""
        numbers = read_convolution(graph, node)
        if numbers is None or not numbers.plain:
            return None
        found = bound_to(graph, node.output)
        if isinstance(found, Refusal) or not found.columns:
            return None
        dead = _dead(graph, found)
        if not dead.any():
            return None
        if found.into or found.joins or any(graph.is_output(name) for name in found.tensors):
            return Refusal(f"{dead.sum()} channels are dead, but they are joined with others or leave the graph")
        wanted = max(int((~dead).sum()), 1)
        count = -(-wanted // facts.block) * facts.block
        if count >= dead.size:
            return Refusal(
                f"{dead.sum()} channels are dead, less than a block of {facts.block}: no time would be saved"
            )
        spare = np.flatnonzero(dead)[: count - int((~dead).sum())]
        return found, np.sort(np.concatenate([np.flatnonzero(~dead), spare])).astype(np.int64)

    def rewrite(self, graph: Graph, node: Node, match: Narrowing) -> str:
        """Cut rows, depthwise kernels, and columns."""
        found, keep = match
        for one in (*found.rows, *found.between, *found.columns):
            numbers = read_convolution(graph, one)
            if numbers is None:
                continue
            weight, bias = numbers.weight, numbers.bias
            if one in found.columns:
                weight = weight[:, keep]
            if one in found.rows or one in found.between:
                weight, bias = weight[keep], bias[keep]
            if one in found.between:
                graph.set_attribute(one, "group", len(keep))
            set_convolution(graph, one, replace(numbers, weight=weight, bias=bias))
        graph.forget_shapes()
        return f"{found.sizes[0]} channels became {len(keep)}"


def _dead(graph: Graph, found: Division) -> npt.NDArray[np.bool_]:
    unread = np.ones(found.sizes[0], dtype=np.bool_)
    for node in found.columns:
        numbers = read_convolution(graph, node)
        if numbers is not None:
            unread &= _zeros(numbers.weight, 1)
    zero = np.full(found.sizes[0], all(one.op in _ZERO_STAYS_ZERO for one in found.between))
    for node in (*found.rows, *found.between):
        numbers = read_convolution(graph, node)
        if numbers is not None:
            zero &= numbers.bias == 0
            if node in found.rows:
                zero &= _zeros(numbers.weight, 0)
    dead: npt.NDArray[np.bool_] = unread | zero
    return dead


def _zeros(weight: Floats, axis: int) -> npt.NDArray[np.bool_]:
    """Return which rows (axis 0) or columns (axis 1) are all zero; most are told by their first number."""
    first: list[int | slice] = [0] * weight.ndim
    first[axis] = slice(None)
    zero: npt.NDArray[np.bool_] = weight[tuple(first)] == 0
    for place in np.flatnonzero(zero):
        zero[place] = not np.take(weight, place, axis=axis).any()
    return zero
