"""What every pass looks like: it names its candidates, checks each, and rewrites or says why not."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from lissome.core.outcome import Note
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node

Match = TypeVar("Match")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a candidate stays as it is.

    Args:
        reason: In one clause.

    Example:
        >>> Refusal("its output leaves the graph").reason
        'its output leaves the graph'
    """

    reason: str


class Pass(ABC, Generic[Match]):
    """One rewrite. It keeps no state; the same graph gives the same result.

    A subclass looks with `candidates` and `check`, which leave the graph alone, and acts in `rewrite`.

    Attributes:
        purpose: What it does, in one line.
        algebra: Why the result is the same, as a formula.
    """

    purpose: ClassVar[str]
    algebra: ClassVar[str]

    def requires(self, graph: Graph, facts: EngineFacts) -> Refusal | None:
        """Return why the pass can do nothing at all on this graph or for this engine; None if it may."""
        return None

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """Return the nodes to look at, by default all in the order they run."""
        return graph.sorted_nodes()

    @abstractmethod
    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Match | Refusal | None:
        """Return what `rewrite` needs; why it is refused; or None for a node the pass has nothing to do with."""

    @abstractmethod
    def rewrite(self, graph: Graph, node: Node, match: Match) -> str:
        """Change the graph, which belongs to the pass, and return what was done."""

    def run(self, graph: Graph, facts: EngineFacts) -> tuple[Note, ...]:
        """Rewrite whatever can be, in the graph given, and return one note a candidate."""
        refusal = self.requires(graph, facts)
        if refusal is not None:
            return (Note("", refusal.reason, applied=False),)
        notes = []
        for node in self.candidates(graph):
            if node not in graph:
                continue  # an earlier rewrite took it along
            found = self.check(graph, node, facts)
            if found is None:
                continue
            if isinstance(found, Refusal):
                notes.append(Note(str(node), found.reason, applied=False))
            else:
                label = str(node)
                notes.append(Note(label, self.rewrite(graph, node, found)))
        return tuple(notes)
