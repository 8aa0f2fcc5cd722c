"""Layers that read what one other layer alone gives, channel by channel: what one loses the other can take."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, fx, nn

from lissome.layers.folded_norm import FoldedNorm

_PASSED = (nn.ReLU, nn.ReLU6, nn.Identity, nn.Dropout, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ZeroPad2d)

Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True, slots=True)
class LayerPair:
    """Two layers, by their paths, whose channels meet through what keeps each channel's scale.

    Args:
        first: The layer that gives the channels.
        second: The layer that alone reads them.
        between: What lies between them, in order.
    """

    first: str
    second: str
    between: tuple[str, ...]

    def clips(self, graph: fx.GraphModule) -> tuple[str, ...]:
        """Return the paths of the ReLU6 between them, which clip what is large."""
        return tuple(path for path in self.between if isinstance(graph.get_submodule(path), nn.ReLU6))

    def norms(self, graph: fx.GraphModule) -> list[FoldedNorm]:
        """Return what folded normalisations remember of the channels."""
        layers = (graph.get_submodule(path) for path in self.between)
        return [one for one in layers if isinstance(one, FoldedNorm)]


def layer_pairs(graph: fx.GraphModule) -> Iterator[LayerPair]:
    """Yield layers whose channels go to one other layer alone, through what keeps each channel's scale."""
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    for node in graph.graph.nodes:
        if not _is_layer(graph, node) or calls.count(str(node.target)) > 1:
            continue
        between: list[str] = []
        reader = node
        while len(reader.users) == 1:
            reader = next(iter(reader.users))
            if reader.op != "call_module" or not isinstance(graph.get_submodule(str(reader.target)), _PASSED):
                break
            between.append(str(reader.target))
        once = calls.count(str(reader.target)) == 1
        if reader is not node and _is_layer(graph, reader) and once:
            first, second = layer_at(graph, str(node.target)), layer_at(graph, str(reader.target))
            if isinstance(second, nn.Conv2d) == isinstance(first, nn.Conv2d):
                yield LayerPair(str(node.target), str(reader.target), tuple(between))


def layer_at(graph: fx.GraphModule, path: str) -> Layer:
    """Return one of the layers of a pair."""
    layer = graph.get_submodule(path)
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    return layer


def weights_by_input(layer: Layer) -> Tensor:
    """Return the weights by input channel, (groups, inputs, outputs, taps), a view that writes through."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    grouped = layer.weight.reshape(groups, len(layer.weight) // groups, layer.weight.shape[1], -1)
    return grouped.transpose(1, 2)


def _is_layer(graph: fx.GraphModule, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), nn.Conv2d | nn.Linear)
