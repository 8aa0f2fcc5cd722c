"""Take channel shuffles into the weights around them, so that at most one split and one concatenation remain a layer.

ShuffleNet concatenates, shuffles by reshape, transpose and reshape, and splits again, in each unit; channels that are
only handed on are copied three times a unit. Instead each layer writes its channels sorted by who reads them, which is
only a permutation of the rows of its weight, and each reader collects its channels where they lie, a permutation of
its columns.

Source:
    The units are those of Ma et al. 2018, arXiv:1807.11164, figure 3; the rewrite is ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from lissome.core.outcome import Note
from lissome.graph.channel_plan import Plan, make_plan
from lissome.graph.channel_routes import Routes, regions, trace_routes
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.free_channels import rearrange
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.parts import split_channels
from lissome.graph.rewrite import Pass, Refusal

NODE_COST = 16_384
"""What running one node costs, in elements copied: some 4 µs at some 4 elements a ns."""
STRETCH_COST = 2_048
"""What each stretch of channels costs that is copied by itself."""


@dataclass(frozen=True, slots=True)
class Absorption:
    """A tangle and what takes its place.

    Args:
        routes: Where each channel goes.
        plan: How it will get there.
    """

    routes: Routes
    plan: Plan


class AbsorbChannelShuffles(Pass[Absorption]):
    """Permute weights instead of activations."""

    purpose: ClassVar[str] = "absorb channel shuffles into the weights around them"
    algebra: ClassVar[str] = "V*(P·(W*x)) = (V·P)*(W*x) = V*((P·W)*x) for a permutation P of channels"

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """The first node of each tangle."""
        return [one[0] for one in regions(graph)]

    def run(self, graph: Graph, facts: EngineFacts) -> tuple[Note, ...]:
        """Treat one tangle after the other."""
        notes = []
        for nodes in regions(graph):
            if len(nodes) < 2:
                continue
            found = self._examine(graph, nodes, facts)
            label = f"{nodes[0]} and {len(nodes) - 1} more"
            if isinstance(found, Refusal):
                notes.append(Note(label, found.reason, applied=False))
            else:
                notes.append(Note(label, self.rewrite(graph, nodes[0], found)))
        return tuple(notes)

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Absorption | Refusal | None:
        """Channels are moved whole, and moving them anew costs less."""
        nodes = next((one for one in regions(graph) if node in one), None)
        return None if nodes is None or len(nodes) < 2 else self._examine(graph, nodes, facts)

    def _examine(self, graph: Graph, nodes: tuple[Node, ...], facts: EngineFacts) -> Absorption | Refusal:
        routes = trace_routes(graph, nodes)
        if isinstance(routes, Refusal):
            return routes
        plan = make_plan(graph, routes, facts.align)
        before = sum(NODE_COST + _moved(graph, node) for node in nodes)
        after = plan.nodes * NODE_COST + plan.stretches * STRETCH_COST + plan.channels_moved * routes.pixels
        if after >= before:
            return Refusal(f"it would still move {after:,} of {before:,} elements")
        return Absorption(routes, plan)

    def rewrite(self, graph: Graph, node: Node, match: Absorption) -> str:
        """Permute, split, concatenate."""
        routes, plan = match.routes, match.plan
        for order in plan.orders:
            rearrange(graph, order.chain, order.channels)
        pieces = {source: split_channels(graph, routes.sources[source], sizes) for source, sizes in plan.pieces.items()}
        joined: dict[tuple[tuple[int, int], ...], str] = {}
        graph.remove(*routes.nodes)
        for sink, parts in plan.parts.items():
            names = [pieces[source][place] for source, place in parts]
            if graph.is_output(sink):
                graph.make(
                    "Concat" if len(names) > 1 else "Identity", names, sink, **({"axis": 1} if len(names) > 1 else {})
                )
                continue
            if parts not in joined:
                joined[parts] = graph.make("Concat", names, axis=1).output if len(names) > 1 else names[0]
            graph.redirect(sink, joined[parts])
        graph.forget_shapes()
        return f"{len(routes.nodes)} nodes became {plan.nodes}; {len(plan.orders)} orders of channels changed"


def _moved(graph: Graph, node: Node) -> int:
    """Return how many elements of one sample a node copies; a reshape copies none."""
    if node.op in ("Reshape", "Identity"):
        return 0
    total = 0
    for name in node.outputs:
        shape = graph.shapes.shape(name) or ()
        product = 1
        for side in shape:
            product *= side if isinstance(side, int) else 1
        total += product
    return total
