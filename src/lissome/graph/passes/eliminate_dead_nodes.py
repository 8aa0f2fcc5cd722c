"""Remove what no output depends on: nodes, outputs of nodes, constants."""

from collections.abc import Iterable
from typing import ClassVar

from lissome.core.outcome import Note
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal


class EliminateDeadNodes(Pass[None]):
    """Remove nodes and constants that nobody reads."""

    purpose: ClassVar[str] = "remove nodes and constants that no output depends on"
    algebra: ClassVar[str] = "what is not read does not matter"

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """Last nodes first, so that a whole chain goes in one run."""
        return reversed(graph.sorted_nodes())

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Refusal | None:
        """Unused, as `run` asks itself."""
        return None

    def rewrite(self, graph: Graph, node: Node, match: None) -> str:
        """Remove it."""
        graph.remove(node)
        return "nobody reads it"

    def run(self, graph: Graph, facts: EngineFacts) -> tuple[Note, ...]:
        """Remove nodes, then constants."""
        # One after the other: what is removed makes what it read unread.
        notes = [
            Note(str(node), self.rewrite(graph, node, None)) for node in self.candidates(graph) if _is_dead(graph, node)
        ]
        unread = [name for name in graph.constant_names() if not graph.readers(name) and not graph.is_output(name)]
        for name in unread:
            graph.drop_constant(name)
        return (*notes, *(Note(f"constant {name}", "nobody reads it") for name in unread))


def _is_dead(graph: Graph, node: Node) -> bool:
    return not any(graph.readers(name) or graph.is_output(name) for name in node.outputs if name)
