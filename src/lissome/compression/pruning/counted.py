"""Multiply-adds of a traced network from the shapes that its labels have: nothing is run."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from lissome.profiling.counting import macs_of_function, macs_of_layer
from lissome.tracing.channel_map import ChannelMap


def macs_of(channels: ChannelMap, shape: Callable[[Tensor], Sequence[int]]) -> int:
    """Return the multiply-adds of all calls, counted as `profile` does.

    Args:
        channels: What running the network on labels found. Its layers are as they are now, cut or not.
        shape: The shape now of a tensor, from its labels.
    """
    total = 0
    for node, labels in channels.labels.items():
        if not isinstance(labels, Tensor):
            continue
        output = torch.Size(shape(labels))
        if node.op == "call_module":
            read = [torch.Size(shape(one)) for one in _labels(channels, node)]
            total += macs_of_layer(channels.layer(str(node.target)), read, output)
        elif node.op == "call_function":
            stand_ins = tuple(_stand_in(channels, one, shape) for one in (*node.args, *node.kwargs.values()))
            total += macs_of_function(node, stand_ins, output)
    return total


def _labels(channels: ChannelMap, node: fx.Node) -> list[Tensor]:
    found = [channels.labels.get(one) for one in node.all_input_nodes]
    return [one for one in found if isinstance(one, Tensor)]


def _stand_in(channels: ChannelMap, argument: Any, shape: Callable[[Tensor], Sequence[int]]) -> Any:
    """Return what stands for an argument: a tensor without numbers for an activation, the parameter itself."""
    if not isinstance(argument, fx.Node):
        return argument
    if argument.op == "get_attr":
        return channels.attribute(str(argument.target))
    labels = channels.labels.get(argument)
    return torch.empty(tuple(shape(labels)), device="meta") if isinstance(labels, Tensor) else labels
