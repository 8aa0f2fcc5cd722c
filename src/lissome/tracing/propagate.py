"""Run a network on labels beside its numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from lissome.core.module_graph import evaluation_mode, run_once, trace
from lissome.tracing.calls import flat_tensors, map_tensors, operator_name
from lissome.tracing.channel_map import ChannelMap, is_constant
from lissome.tracing.channel_sets import ChannelSets
from lissome.tracing.equal_groups import tie_by_count, tie_by_position
from lissome.tracing.label_tensors import empty_like, make_rectangular, spread
from lissome.tracing.layer_rules import layer_rule, refused
from lissome.tracing.layer_zeros import zeros_of
from lissome.tracing.operator_rules import rule_for, shaping, unknown

_SHAPE_LAYERS: dict[type[nn.Module], tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    nn.Flatten: (torch.flatten, ("start_dim", "end_dim")),
    nn.Unflatten: (torch.unflatten, ("dim", "unflattened_size")),
    nn.PixelShuffle: (functional.pixel_shuffle, ("upscale_factor",)),
    nn.PixelUnshuffle: (functional.pixel_unshuffle, ("downscale_factor",)),
    nn.ChannelShuffle: (functional.channel_shuffle, ("groups",)),
}
"""Layers that do what an operator does, with their settings in the operator's order."""


def propagate(model: nn.Module, inputs: tuple[Tensor, ...]) -> ChannelMap:
    """Return which channel each entry of each parameter belongs to, and which channels live and die together.

    Args:
        model: A traceable module. It is run in evaluation mode, and left as it was.
        inputs: Example inputs, one for each input of the forward.

    Raises:
        TraceError: The forward cannot be traced.
        ShapeError: The forward fails on these inputs.
    """
    graph = trace(model, inputs)
    _put_first_argument_first(graph)
    try:
        channels = _LabelInterpreter(graph, numbers=False).labelled(inputs)
    except Exception:  # noqa: BLE001 (zeros can be in the way of what indexes by values)
        run_once(model, inputs)  # a wrong input is reported against the user's own code, not against the traced graph
        channels = _LabelInterpreter(graph, numbers=True).labelled(inputs)
    _settle(channels)
    return channels


def _settle(channels: ChannelMap) -> None:
    """Tie what must go together for tensors to stay rectangles and groups equal.

    Only now is all known that is tied for other reasons, so that this ties no more than it must. There are two ways to
    keep groups equal; the one that leaves more to choose is taken.
    """
    positions = channels.sets.copy()
    tie_by_position(positions, channels.equal)
    _make_rectangles(channels, positions)
    if channels.equal:
        counts = channels.sets.copy()
        _make_rectangles(channels, counts)
        tie_by_count(counts, channels.equal)
        if _choices(channels, counts) > _choices(channels, positions):
            positions = counts
    channels.sets = positions


def _make_rectangles(channels: ChannelMap, sets: ChannelSets) -> None:
    for labels in flat_tensors(channels.labels):
        make_rectangular(labels, sets)


def _choices(channels: ChannelMap, sets: ChannelSets) -> int:
    """Return how many channels of the network's parameters can go by themselves."""
    ids = torch.cat([one.labels for one in channels.slices.values()])
    return sum(sets.reason(one) is None for one in set(sets.roots(ids).tolist()))


def _put_first_argument_first(graph: fx.GraphModule) -> None:
    """Write flatten(input=x) as flatten(x), so that rules find the tensor in one place."""
    for node in graph.graph.nodes:
        name = next((one for one in ("input", "tensors", "tensor") if one in node.kwargs), None)
        if node.op == "call_function" and not node.args and name is not None:
            node.args = (node.kwargs[name],)
            node.kwargs = {key: value for key, value in node.kwargs.items() if key != name}


class _LabelInterpreter(fx.Interpreter):
    """Runs a network on labels beside tensors of the right shapes.

    Args:
        graph: The traced network.
        numbers: Whether the tensors hold the right numbers too, which takes longer.
    """

    def __init__(self, graph: fx.GraphModule, *, numbers: bool) -> None:
        super().__init__(graph, garbage_collect_values=True)
        self.channels, self.numbers = ChannelMap(graph), numbers

    def labelled(self, inputs: tuple[Tensor, ...]) -> ChannelMap:
        """Run the network, and return what was found."""
        with evaluation_mode(self.channels.graph), torch.no_grad():
            self.channels.outputs = self.run(*inputs)
        return self.channels

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a layer, or where its numbers are costly and its shape is plain, make zeros of that shape."""
        made = None if kwargs or self.numbers else zeros_of(self.fetch_attr(str(target)), *args)
        return super().call_module(target, args, kwargs) if made is None else made

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        tensors = flat_tensors(value)
        if n.op == "output":
            self._freeze_inputs(n, "reaches the output")
        elif not tensors:
            self.channels.numbers[n] = value
        elif any(one.is_floating_point() or one.dtype is torch.bool for one in tensors):
            self.channels.labels[n] = self._labels_of(n, value)
        else:  # integers index; what they say of channels is by number
            self._freeze_inputs(n, f"becomes integers at {n.name}")
        return value

    def _freeze_inputs(self, node: fx.Node, reason: str) -> None:
        for source in node.all_input_nodes:
            for one in flat_tensors(self.channels.labels.get(source)):
                self.channels.sets.freeze(one, reason)

    def _labels_of(self, node: fx.Node, value: Any) -> Any:
        if node.op == "placeholder":
            return self._input(node, value)
        if node.op == "get_attr":
            return self._attribute(str(node.target), value)
        if node.op == "call_module":
            return self._layer(node, value)
        name = operator_name(node)
        labelled = any(one in self.channels.labels for one in node.all_input_nodes)
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self._as_labels)
        if name == "getitem":
            args = (args[0], fx.node.map_arg(node.args[1], self.env.get))
        return (rule_for(name) if labelled else unknown)(self.channels, node, args, kwargs, value)

    def _as_labels(self, node: fx.Node) -> Any:
        if node in self.channels.labels:
            return self.channels.labels[node]
        return map_tensors(self.env.get(node), lambda one: empty_like(one.shape))

    def _input(self, node: fx.Node, value: Tensor) -> Tensor:
        if value.dim() < 2:
            return empty_like(value.shape)
        ids = self.channels.sets.fresh(value.shape[1])
        self.channels.sets.freeze(ids, f"is the input {node.name}")
        return spread(ids, value.shape, 1)

    def _attribute(self, path: str, value: Tensor) -> Tensor:
        """Give a tensor of the network used by itself (layer scale, say) ids along its one long axis."""
        long = [axis for axis, size in enumerate(value.shape) if size > 1]
        if len(long) != 1 or is_constant(path):
            return empty_like(value.shape)
        known = self.channels.slices.get((path, long[0]))
        ids = known.labels if known else self.channels.sets.fresh(value.shape[long[0]])
        self.channels.claim(path, long[0], ids, "scales")
        return spread(ids, value.shape, long[0])

    def _layer(self, node: fx.Node, value: Any) -> Any:
        path = str(node.target)
        layer = self.channels.layer(path)
        labels = flat_tensors(fx.node.map_arg((node.args, node.kwargs), self._as_labels))
        if len(labels) != 1 or not isinstance(value, Tensor):
            for one in labels:
                refused(self.channels, path, layer, one, one.shape)
            return map_tensors(value, lambda one: empty_like(one.shape))
        for kind, (operator, settings) in _SHAPE_LAYERS.items():
            if isinstance(layer, kind):
                stand_in = fx.Graph().call_function(operator)
                args = (labels[0], *(getattr(layer, name) for name in settings))
                return shaping(self.channels, stand_in, args, {}, None)
        return layer_rule(layer)(self.channels, path, layer, labels[0], value.shape)
