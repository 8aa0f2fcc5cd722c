"""Compute once what is computed twice: same operator, same settings, same inputs."""

from collections.abc import Iterable
from typing import Any, ClassVar

from lissome.core.outcome import Note
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

_RANDOM = (
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
    "Dropout",
)
_SMALL = 64
"""Constants up to this many elements are compared by value, larger ones by name."""


class MergeCommonSubexpressions(Pass[Node]):
    """Let readers of a repeated node read the first one."""

    purpose: ClassVar[str] = "compute once what is computed twice"
    algebra: ClassVar[str] = "f(x), f(x) → f(x)"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Node | Refusal | None:
        """Only `run` knows what came before."""
        return None

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """Those whose result depends on their inputs alone."""
        return (one for one in graph.sorted_nodes() if one.op not in _RANDOM and one.standard and not one.subgraphs)

    def rewrite(self, graph: Graph, node: Node, match: Node) -> str:
        """Read the first one's outputs."""
        for own, other in zip(node.outputs, match.outputs, strict=True):
            if own:
                graph.redirect(own, other)
        graph.remove(node)
        return f"the same as {match}"

    def run(self, graph: Graph, facts: EngineFacts) -> tuple[Note, ...]:
        """Walk once; a merge makes later nodes equal, which their keys then show."""
        seen: dict[Any, Node] = {}
        notes = []
        for node in self.candidates(graph):
            key = (
                node.op,
                node.domain,
                len(node.outputs),
                _settings(node),
                tuple(_input(graph, one) for one in node.inputs),
            )
            first = seen.setdefault(key, node)
            if first is node:
                continue
            if any(graph.is_output(name) for name in node.outputs):
                notes.append(Note(str(node), f"the same as {first}, but its output leaves the graph", applied=False))
            elif [bool(name) for name in first.outputs] == [bool(name) for name in node.outputs]:
                notes.append(Note(str(node), self.rewrite(graph, node, first)))
        return tuple(notes)


def _settings(node: Node) -> tuple[Any, ...]:
    values = []
    for name in sorted(node.attributes):
        value = node.attributes[name]
        plain = value.SerializeToString(deterministic=True) if hasattr(value, "SerializeToString") else value
        values.append((name, repr(plain)))
    return tuple(values)


def _input(graph: Graph, name: str) -> Any:
    if graph.is_constant(name):
        shape, type = graph.constant_header(name)
        if _elements(shape) <= _SMALL:
            value = graph.constant(name)
            if value is not None and value.dtype.kind in "iufb":
                return type, shape, value.tobytes()
    return name


def _elements(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
