"""Where an integer engine rounds in an ONNX graph: which tensors get a quantizer, and which layers integer weights."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx

from lissome.graph.graph import Graph
from lissome.graph.node import Node

_COMPUTING = ("Conv", "Gemm", "MatMul")
_COMBINING = ("Add", "Concat", "AveragePool", "GlobalAveragePool")
_CLIPPING = ("Relu", "Clip")
_MOVING = (
    *("MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Identity", "Dropout"),
    *("Gather", "DepthToSpace", "SpaceToDepth", "Resize", "Pad"),
)


@dataclass(frozen=True, slots=True)
class GraphPlaces:
    """Where a graph rounds.

    Args:
        layers: The layers whose weights become integers.
        origins: Each tensor that is rounded, and the one whose range it shares: itself, or what it was moved from.
        float_results: The layers whose result stays float, since nothing multiplies it any more.
    """

    layers: tuple[Node, ...]
    origins: dict[str, str]
    float_results: tuple[Node, ...]


def graph_places(graph: Graph, skip: Collection[Node] = ()) -> GraphPlaces:
    """Return where a graph rounds.

    Layers that multiply, additions, concatenations and average pools read and write integers; a clipping activation
    behind one is part of it. Behind the last layers that multiply, everything stays float: heads of detectors join
    boxes and scores there, which no common scale suits.

    Args:
        graph: A float graph.
        skip: Layers that stay float.
    """
    wanted = _before_layers(graph)
    layers = tuple(node for node in graph.sorted_nodes() if _is_layer(graph, node) and node not in skip)
    origins: dict[str, str] = {}
    ends = []
    for node in graph.sorted_nodes():
        combines = node.op in _COMBINING and node.standard and node.output in wanted and _all_floats(graph, node)
        if node not in layers and not combines:
            continue
        for source in node.inputs[:1] if node in layers else node.inputs:
            steps = list(_back_to_origin(graph, source))
            origins |= dict.fromkeys(steps, steps[-1])
        written = _with_clipping(graph, node)
        if written in wanted:
            origins[written] = written
        else:
            ends.append(node)
    return GraphPlaces(layers, origins, tuple(one for one in ends if one in layers))


def layer_name(node: Node) -> str:
    """Return what a layer is called in settings and receipts."""
    return node.name or node.output


def is_weighted(graph: Graph, node: Node) -> bool:
    """Tell whether a node multiplies by constant weights, so that it could have integer ones."""
    return _is_layer(graph, node)


def _is_layer(graph: Graph, node: Node) -> bool:
    if node.op not in _COMPUTING or not node.standard or len(node.inputs) < 2:
        return False
    weight = graph.constant(node.inputs[1])
    if (
        weight is None
        or graph.is_constant(node.inputs[0])
        or graph.shapes.type(node.inputs[0]) != onnx.TensorProto.FLOAT
    ):
        return False
    if node.op == "Gemm":
        return not node.get("transA", 0) and node.get("alpha", 1.0) == 1.0 and node.get("beta", 1.0) == 1.0
    return node.op == "Conv" or weight.ndim == 2


def _before_layers(graph: Graph) -> set[str]:
    """Return the tensors that some layer reads, through whatever lies between."""
    found: set[str] = set()
    for node in reversed(graph.sorted_nodes()):
        if node.op in _COMPUTING or any(name in found for name in node.outputs):
            found |= set(filter(None, node.inputs))
    return found


def _all_floats(graph: Graph, node: Node) -> bool:
    kinds = {graph.shapes.type(name) for name in node.inputs}
    return kinds == {onnx.TensorProto.FLOAT} and not any(graph.is_constant(name) for name in node.inputs)


def _with_clipping(graph: Graph, node: Node) -> str:
    reader = graph.only_reader(node.output)
    return reader.output if reader is not None and reader.op in _CLIPPING and reader.standard else node.output


def _back_to_origin(graph: Graph, name: str) -> Iterator[str]:
    """Yield a tensor and those it took its numbers from unchanged, back to where they were made."""
    yield name
    node = graph.maker(name)
    while node is not None and _moves(node) and not graph.is_constant(node.inputs[0]):
        name = node.inputs[0]
        yield name
        node = graph.maker(name)


def _moves(node: Node) -> bool:
    if node.op == "Resize":
        return bool(node.get("mode", "nearest") == "nearest")
    return node.op in _MOVING and node.standard
