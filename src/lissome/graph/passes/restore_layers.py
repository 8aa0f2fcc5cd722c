"""Put layers back together that an exporter wrote as reductions and arithmetic: layer normalisation, global pooling.

Engines keep a global pooling in their blocked layout, and leave it for a reduction over named axes.

Source:
    Ba et al. 2016, arXiv:1607.06450, equations 3 and 4 (layer normalisation).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

FLOAT = 1
_SINCE = 17
"""The first opset with LayerNormalization."""


@dataclass(frozen=True, slots=True)
class Layer:
    """An operator that does what a few nodes do.

    Args:
        op: The operator.
        source: What it reads.
        last: The node whose output it takes over.
        constants: Further inputs.
        attributes: Its settings.
        flat: Whether sides of one pixel are dropped behind it.
    """

    op: str
    source: str
    last: Node
    constants: tuple[npt.NDArray[np.float32], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    flat: bool = False


class RestoreLayers(Pass[Layer]):
    """Replace reductions and arithmetic by the layer that they are."""

    purpose: ClassVar[str] = "put layers back together that were written as reductions"
    algebra: ClassVar[str] = "(x - mean(x))/√(mean((x - mean(x))²) + ε)·g + b = layernorm(x)"

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """Ends of normalisations before means, which may be part of one."""
        return sorted(graph.sorted_nodes(), key=lambda node: node.op != "Div")

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Layer | Refusal | None:
        """The nodes are those of a layer, and the opset has it."""
        if not node.standard or graph.shapes.type(node.input(0)) != FLOAT:
            return None
        if node.op == "ReduceMean":
            return _global_pool(graph, node)
        if node.op != "Div":
            return None
        found = _normalized(graph, node)
        if found is not None and graph.opset < _SINCE:
            return Refusal(f"is LayerNormalization, which opset {graph.opset} does not have (since {_SINCE})")
        return found

    def rewrite(self, graph: Graph, node: Node, match: Layer) -> str:
        """One node takes the place; what nobody reads any more goes later."""
        names = [match.source, *(graph.add_constant(one, "parameter") for one in match.constants)]
        made = graph.make(match.op, names, **match.attributes).output
        if match.flat:
            made = graph.make("Flatten", [made], axis=1).output
        graph.replace(match.last.output, match.last, made)
        return f"is {match.op}"


def _mean_axes(graph: Graph, node: Node | None) -> tuple[int, ...] | None:
    """Return the axes of a mean, counted from the front; None if it is none or they are not known."""
    if node is None or node.op != "ReduceMean" or not node.standard:
        return None
    axes, rank = graph.shapes.setting(node, "axes", 1), graph.shapes.rank(node.input(0))
    if not axes or rank is None or not all(-rank <= one < rank for one in axes):
        return None
    return tuple(sorted({one % rank for one in axes}))


def _global_pool(graph: Graph, node: Node) -> Layer | None:
    if graph.shapes.rank(node.input(0)) != 4 or _mean_axes(graph, node) != (2, 3):
        return None
    return Layer("GlobalAveragePool", node.input(0), node, flat=not node.get("keepdims", 1))


def _normalized(graph: Graph, node: Node) -> Layer | None:
    """Return the normalisation that ends with a division, or with the scale and shift behind that."""
    centred, spread = graph.maker(node.input(0)), graph.maker(node.input(1))
    if centred is None or spread is None or centred.op != "Sub" or spread.op != "Sqrt":
        return None
    source, axes = centred.input(0), _mean_axes(graph, graph.maker(centred.input(1)))
    mean = graph.maker(centred.input(1))
    shape, epsilon = graph.shapes.shape(source), _epsilon(graph, spread, centred, axes)
    if shape is None or axes is None or epsilon is None or mean is None or mean.input(0) != source:
        return None
    sides = tuple(side for side in shape[axes[0] :] if isinstance(side, int))
    if axes != tuple(range(axes[0], len(shape))) or len(sides) != len(axes) or not mean.get("keepdims", 1):
        return None
    scale, last = _constant_behind(graph, node, "Mul", sides)
    shift, last = _constant_behind(graph, last, "Add", sides)
    constants = (np.ones(sides, np.float32) if scale is None else scale, *([] if shift is None else [shift]))
    return Layer("LayerNormalization", source, last, constants, {"axis": axes[0], "epsilon": epsilon})


def _epsilon(graph: Graph, spread: Node, centred: Node, axes: tuple[int, ...] | None) -> float | None:
    """Return what is added to the mean of squares of the centred values; None if it is something else."""
    added = graph.maker(spread.input(0))
    if added is None or added.op != "Add" or axes is None:
        return None
    for place in (0, 1):
        value = graph.constant(added.input(place)) if graph.is_constant(added.input(place)) else None
        mean = graph.maker(added.input(1 - place))
        if value is None or value.size != 1 or mean is None or _mean_axes(graph, mean) != axes:
            continue
        square = graph.maker(mean.input(0))
        if mean.get("keepdims", 1) and square is not None and _is_square(graph, square, centred.output):
            return float(value.reshape(-1)[0])
    return None


def _is_square(graph: Graph, node: Node, of: str) -> bool:
    if node.op == "Mul":
        return list(node.inputs) == [of, of]
    exponent = graph.constant(node.input(1)) if node.op == "Pow" and graph.is_constant(node.input(1)) else None
    return exponent is not None and exponent.size == 1 and exponent.reshape(-1)[0] == 2 and node.input(0) == of


def _constant_behind(
    graph: Graph, node: Node, op: str, sides: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32] | None, Node]:
    """Return the constant that the only reader multiplies by or adds, and that reader; or None and the node itself."""
    reader = graph.only_reader(node.output)
    if reader is None or reader.op != op or not reader.standard:
        return None, node
    other = next((name for name in reader.inputs if name != node.output), "")
    value = graph.constant(other) if graph.is_constant(other) else None
    if value is None or value.dtype != np.float32 or value.ndim > len(sides):
        return None, node
    try:
        return np.array(np.broadcast_to(value, sides)), reader
    except ValueError:
        return None, node
