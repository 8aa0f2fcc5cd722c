"""The sums of a traced graph, and the linear branches that are their terms."""

import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import fx, nn
from torch.nn.modules.conv import _ConvNd

from lissome.layers.branch_sum import LinearBranch

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


@dataclass(frozen=True, slots=True)
class Term:
    """One linear branch of the graph: what it reads, what it is made of, where it ends.

    Args:
        source: The node that the branch reads.
        layers: Its call nodes, first to last; none for the input as it is.
        end: The node whose value is the branch's.
        branch: The layers themselves.
    """

    source: fx.Node
    layers: tuple[fx.Node, ...]
    end: fx.Node
    branch: LinearBranch

    @property
    def name(self) -> str:
        """The path of its first layer; "the input" where it has none."""
        return str(self.layers[0].target) if self.layers else "the input"


def is_sum(node: fx.Node) -> bool:
    """Tell whether a node adds two tensors, or a tensor and the number 0 that Python's `sum` starts with."""
    if node.op not in ("call_function", "call_method") or node.target not in _ADDITIONS or node.kwargs:
        return False
    numbers = [one for one in node.args if not isinstance(one, fx.Node)]
    return len(node.args) == 2 and len(numbers) < 2 and all(one == 0 for one in numbers)


def roots_of(graph: fx.GraphModule) -> Iterator[fx.Node]:
    """Yield each sum whose value is not merely a part of a larger sum."""
    for node in graph.graph.nodes:
        if is_sum(node) and not (len(node.users) == 1 and is_sum(next(iter(node.users)))):
            yield node


def addends(root: fx.Node) -> list[fx.Node]:
    """Return the terms of a sum, sums within it taken apart where nothing else reads them."""
    terms: list[fx.Node] = []
    for one in root.args:
        if isinstance(one, fx.Node):
            terms += addends(one) if is_sum(one) and len(one.users) == 1 and root.args.count(one) == 1 else [one]
    return terms


class Terms:
    """Reads linear branches off a graph.

    Args:
        graph: The traced network.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.calls = Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_module")

    def layer(self, node: fx.Node) -> nn.Module | None:
        """Return the layer that a node calls; None where it calls none, or one that is called again elsewhere."""
        if node.op != "call_module" or self.calls[str(node.target)] > 1 or len(node.args) != 1 or node.kwargs:
            return None
        return self.graph.get_submodule(str(node.target))

    def term(self, end: fx.Node) -> Term:
        """Return the branch that ends in a node: a convolution, a normalisation, both, or the node as it is."""
        node, above = self._without_identities(end)
        layers: tuple[fx.Node, ...] = ()
        norm = convolution = None
        layer = self.layer(node)
        if type(layer) in NORMS and cast(nn.BatchNorm2d, layer).running_var is not None:
            norm, layers = cast(nn.BatchNorm2d, layer), (node,)
            node, above = self._without_identities(cast(fx.Node, node.args[0]))
            layer = self.layer(node)
            # A convolution that others read too keeps its place, and the normalisation alone is the branch.
            if type(layer) not in CONVOLUTIONS or not above:
                return Term(cast(fx.Node, layers[0].args[0]), layers, end, LinearBranch(None, norm))
        if type(layer) in CONVOLUTIONS:
            convolution, layers = cast(_ConvNd, layer), (node, *layers)
            node = cast(fx.Node, node.args[0])
        if not layers:
            return Term(node, (), end, LinearBranch())
        return Term(node, layers, end, LinearBranch(convolution, norm))

    def _without_identities(self, node: fx.Node) -> tuple[fx.Node, bool]:
        """Step back over identities; tell whether the value passed on is read by one node only."""
        alone = len(node.users) == 1
        while type(self.layer(node)) is nn.Identity:
            node = cast(fx.Node, node.args[0])
            alone = alone and len(node.users) == 1
        return node, alone
