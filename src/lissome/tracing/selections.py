"""Where a selection of channels can stand: in front of a convolution and of what only prepares its input."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.layers.channel_selection import ChannelSelection
from lissome.tracing.calls import operator_name
from lissome.tracing.channel_map import ChannelMap
from lissome.tracing.label_tensors import compact, varying
from lissome.tracing.layer_rules import entry_by_entry, layer_rule
from lissome.tracing.operator_rules import pairing, passing, rule_for


@dataclass(frozen=True, slots=True)
class Reader:
    """A convolution, with the normalisations and activations that nobody else reads.

    Args:
        layer: Path of the convolution.
        first: The node that reads the channels: the convolution, or what prepares its input.
        source: The node that they come of.
        ids: Their labels, shape (channels,).
        norms: How many normalisations stand between.
        macs: Multiply-adds of the convolution, for one image.
        positions: Pixels of its input.
    """

    layer: str
    first: fx.Node
    source: fx.Node
    ids: Tensor
    norms: int
    macs: int
    positions: int


def find_readers(channels: ChannelMap) -> list[Reader]:
    """Return every convolution with one group whose input channels could be selected, in the order of the network."""
    calls = [str(node.target) for node in channels.graph.graph.nodes if node.op == "call_module"]
    flow = _Flow(channels)
    found = []
    for node in channels.graph.graph.nodes:
        layer = channels.layer(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, nn.Conv2d) and layer.groups == 1 and calls.count(str(node.target)) == 1:
            reader = flow.reader(node, layer)
            found += [] if reader is None else [reader]
    return found


class _Flow:
    """Tells which nodes the network's input flows through, so that a scale is known from what it scales."""

    def __init__(self, channels: ChannelMap) -> None:
        self.channels = channels
        self._flowing: set[fx.Node] = set()
        for node in channels.graph.graph.nodes:
            if node.op == "placeholder" or any(one in self._flowing for one in node.all_input_nodes):
                self._flowing.add(node)

    def read_by(self, node: fx.Node) -> list[fx.Node]:
        """Return the activations that a node reads."""
        labels = self.channels.labels
        return [one for one in node.all_input_nodes if one in self._flowing and one in labels]

    def reader(self, node: fx.Node, layer: nn.Conv2d) -> Reader | None:
        """Return the convolution with what prepares its input; None where nothing can be selected."""
        first, norms = node, 0
        while (before := self._prepares(self.read_by(first)[0])) is not None:
            first, norms = self.read_by(first)[0], norms + before
        source = self.read_by(first)[0]
        labels = self.channels.labels[source]
        is_selected = source.op == "call_module" and isinstance(self._layer(source), ChannelSelection)
        if source.op == "placeholder" or is_selected or labels.dim() != 4 or varying(labels) != [1]:
            return None
        _, _, height, width = self.channels.labels[node].shape
        return Reader(
            layer=str(node.target),
            first=first,
            source=source,
            ids=compact(labels)[0, :, 0, 0],
            norms=norms,
            macs=layer.weight.numel() * height * width,
            positions=labels.shape[2] * labels.shape[3],
        )

    def _prepares(self, node: fx.Node) -> int | None:
        """Return how many normalisations a node is, if it prepares one layer's input channel by channel; else None."""
        if len(node.users) > 1 or len(self.read_by(node)) != 1:
            return None
        if node.op == "call_module":
            layer = self._layer(node)
            if isinstance(layer, _BatchNorm):
                return 1
            return 0 if layer_rule(layer) is entry_by_entry else None
        is_function = node.op in ("call_function", "call_method")
        return 0 if is_function and rule_for(operator_name(node)) in (passing, pairing) else None

    def _layer(self, node: fx.Node) -> nn.Module:
        return self.channels.layer(str(node.target))


def with_selections(graph: fx.GraphModule, readers: Iterable[Reader]) -> fx.GraphModule:
    """Put a selection of all channels in front of each reader, in place, and return the network."""
    for reader in readers:
        name = f"{reader.layer}_selection"
        graph.add_submodule(name, ChannelSelection(len(reader.ids), len(reader.ids)))
        with graph.graph.inserting_before(reader.first):
            selected = graph.graph.call_module(name, (reader.source,))
        reader.first.replace_input_with(reader.source, selected)
    graph.graph.lint()
    graph.recompile()
    return graph


def without_idle_selections(graph: fx.GraphModule) -> None:
    """Remove the selections that select everything, in place."""
    for node in list(graph.graph.nodes):
        layer = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, ChannelSelection) and torch.equal(layer.index, torch.arange(layer.channels)):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()
