"""A traced network cut into runs of nodes, where only batches of floats cross a cut."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from lissome.core.module_graph import trace


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of nodes as a network of its own.

    Args:
        module: Takes the values that cross into it, gives those that cross out of it, in order.
        inputs: Names of the values that cross into it.
        outputs: Names of the values that cross out of it.
        layers: What its nodes are called: a layer's path, or the operator of a call.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[str, ...]


class Cutter:
    """A network that can be cut.

    Args:
        model: A traceable module.
        inputs: Example inputs (N, …), N ≥ 2: that a value is a batch shows in its first side.

    Raises:
        TraceError: The module cannot be traced.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._graph = trace(model)
        with torch.no_grad():
            ShapeProp(self._graph).propagate(*inputs)
        self._batch = len(inputs[0])
        nodes = list(self._graph.graph.nodes)
        self._given = [node for node in nodes if node.op == "placeholder"]
        self._nodes = [node for node in nodes if node.op not in ("placeholder", "output", "get_attr")]
        self._place = {node: place for place, node in enumerate(self._nodes)}
        self._ends = next(node for node in nodes if node.op == "output").all_input_nodes

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the network's inputs."""
        return tuple(node.name for node in self._given)

    @property
    def made(self) -> tuple[str, ...]:
        """Names of the network's outputs."""
        return tuple(node.name for node in self._ends)

    @property
    def layers(self) -> tuple[str, ...]:
        """What its nodes are called: a layer's path, or the operator of a call."""
        return tuple(map(layer_of, self._nodes))

    def places(self) -> list[int]:
        """Return where the network can be cut, before which node: the ends, and where batches of floats alone cross."""
        return [place for place in range(len(self) + 1) if all(map(self._crosses, self._live(place)))]

    def piece(self, start: int, stop: int) -> Piece:
        """Return the nodes from start to before stop as a network."""
        inside = self._nodes[start:stop]
        held = set(inside)
        entering = [node for node in self._live(start) if any(user in held for user in node.users)]
        leaving = [node for node in self._live(stop) if node in held]
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {node: graph.placeholder(node.name) for node in entering}
        for node in inside:
            for source in node.all_input_nodes:  # tensors that the network holds
                if source.op == "get_attr" and source not in copies:
                    copies[source] = graph.node_copy(source)
            copies[node] = graph.node_copy(node, lambda one: copies[one])
        results = tuple(copies[node] for node in leaving)
        graph.output(results[0] if len(results) == 1 else results)
        module = fx.GraphModule(self._graph, graph, f"Part{start}To{stop}")
        entry, result = (tuple(node.name for node in part) for part in (entering, leaving))
        return Piece(module, entry, result, tuple(layer_of(node) for node in inside))

    def _live(self, place: int) -> list[fx.Node]:
        """Return the values made before a place and used behind it; at the end, the outputs."""
        if place == len(self):
            return list(dict.fromkeys(self._ends))
        before = [*self._given, *self._nodes[:place]]
        ends = set(self._ends)
        return [
            node for node in before if any(self._place.get(user, -1) >= place for user in node.users) or node in ends
        ]

    def _crosses(self, node: fx.Node) -> bool:
        meta = node.meta.get("tensor_meta")
        if not isinstance(meta, TensorMetadata) or not meta.dtype.is_floating_point:
            return False
        return len(meta.shape) >= 2 and meta.shape[0] == self._batch


def layer_of(node: fx.Node) -> str:
    """Return a layer's path, or the name of the operator of a call."""
    if node.op == "call_module":
        return str(node.target)
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
