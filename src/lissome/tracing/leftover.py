"""What is left of the tensors of a traced network, and what the numbers computed from their sizes become."""

from typing import Any

import torch
from torch import Tensor, fx

from lissome.tracing.calls import call, map_tensors
from lissome.tracing.channel_map import ChannelMap
from lissome.tracing.label_tensors import survivors


class Leftover:
    """Tells shapes and numbers before and after pruning, without running the network.

    Args:
        channels: What running the network on labels found.
        kept: Which ids are left, shape (number of ids,) bool.
    """

    def __init__(self, channels: ChannelMap, kept: Tensor) -> None:
        self.kept = kept
        self._channels = channels
        self._now: dict[fx.Node, Any] = {}
        for node, number in channels.numbers.items():
            self._now[node] = number
            known = all(one in channels.labels or one in self._now for one in node.all_input_nodes)
            if known and node.op in ("call_function", "call_method") and _is_size(number):
                self._now[node] = call(node, self.value(node.args), self.value(node.kwargs))

    def shape(self, labels: Tensor) -> list[int]:
        """Return the shape of what is left of a tensor."""
        return survivors(labels, self.kept)

    def before(self, argument: Any) -> Any:
        """Return an argument of a node with numbers as they were."""
        return fx.node.map_arg(argument, lambda one: self._channels.numbers.get(one))

    def value(self, argument: Any) -> Any:
        """Return an argument of a node with numbers as they become, and tensors of the shapes that are left."""
        return fx.node.map_arg(argument, self._value)

    def _value(self, node: fx.Node) -> Any:
        if node in self._channels.labels:
            return map_tensors(self._channels.labels[node], lambda one: torch.empty(self.shape(one), device="meta"))
        return self._now.get(node)


def _is_size(number: Any) -> bool:
    return isinstance(number, int) or (isinstance(number, tuple | list) and all(isinstance(one, int) for one in number))
