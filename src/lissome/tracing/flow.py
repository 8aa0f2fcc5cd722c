"""Where data of a traced graph come from and go to: dominators of a graph without circles."""

from collections.abc import Callable, Iterable

from torch import fx


class Flow:
    """Tells through which node everything passes that a node reads, or makes.

    Args:
        graph: The traced graph, without dead nodes.

    Source:
        Cooper, Harvey and Kennedy 2001, "A Simple, Fast Dominance Algorithm"; without circles one pass is enough.

    Example:
        >>> from torch import nn
        >>> class Twice(nn.Module):
        ...     def forward(self, x): return x.relu() + x.tanh()
        >>> graph = fx.symbolic_trace(Twice()).graph
        >>> x, relu, tanh, add, output = graph.nodes
        >>> flow = Flow(graph)
        >>> flow.source_of(add), flow.sink_of(x), sorted(map(str, flow.between(x, add)))
        (x, add, ['add', 'relu', 'tanh'])
    """

    def __init__(self, graph: fx.Graph) -> None:
        nodes = list(graph.nodes)
        self._sources = _dominators(nodes, lambda node: [one for one in node.all_input_nodes if one.op != "get_attr"])
        self._sinks = _dominators(nodes[::-1], lambda node: list(node.users))

    def source_of(self, node: fx.Node) -> fx.Node | None:
        """Return the last node before this one through which all that it reads has passed; None if there is none."""
        return self._sources.get(node)

    def sink_of(self, node: fx.Node) -> fx.Node | None:
        """Return the first node after this one through which all that is made of it passes; None if there is none."""
        return self._sinks.get(node)

    def between(self, entry: fx.Node, end: fx.Node) -> set[fx.Node]:
        """Return the nodes that the end is computed of, as far back as the entry, which is not among them."""
        found, waiting = {end}, [end]
        while waiting:
            for node in waiting.pop().all_input_nodes:
                if node is not entry and node not in found:
                    found.add(node)
                    waiting.append(node)
        return found


def _dominators(nodes: Iterable[fx.Node], before: Callable[[fx.Node], list[fx.Node]]) -> dict[fx.Node, fx.Node | None]:
    """Return for each node the nearest one that all ways to it lead through, of nodes in the order of the ways."""
    nearest: dict[fx.Node, fx.Node | None] = {}
    depth: dict[fx.Node, int] = {}
    for node in nodes:
        ways = before(node)
        common = ways[0] if ways else None
        for other in ways[1:]:
            one: fx.Node | None = other
            while common is not one and common is not None and one is not None:
                if depth[common] >= depth[one]:
                    common = nearest[common]
                else:
                    one = nearest[one]
            common = common if common is one else None
        nearest[node] = common
        depth[node] = 0 if common is None else depth[common] + 1
    return nearest
