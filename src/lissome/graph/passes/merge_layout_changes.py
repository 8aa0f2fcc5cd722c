"""Make one of two layout changes in a row: transposes compose, and only the last of two reshapes counts."""

from typing import ClassVar

import numpy as np

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


class MergeLayoutChanges(Pass[Node]):
    """Join transposes with transposes, and reshapes with reshapes."""

    purpose: ClassVar[str] = "make one of two transposes or two reshapes in a row"
    algebra: ClassVar[str] = "(x^P)^Q = x^(P∘Q); reshape(reshape(x, a), b) = reshape(x, b)"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Node | Refusal | None:
        """The input is made by a node of the same kind."""
        before = graph.maker(node.input(0))
        if before is None or not (node.standard and before.standard):
            return None
        if node.op == before.op == "Transpose":
            same_rank = len(node.get("perm") or ()) == len(before.get("perm") or ()) > 0
            return before if same_rank else Refusal("the order is not written out")
        if node.op in _RESHAPES and before.op in _RESHAPES:
            return (
                before if self._target(graph, node, before) is not None else Refusal("two sides of the result are free")
            )
        return None

    def _target(self, graph: Graph, node: Node, before: Node) -> list[int] | None:
        """Return the target of a Reshape from the first input straight to the last shape."""
        made, given = graph.shapes.shape(node.output), graph.shapes.shape(before.input(0))
        if made is None or 0 in made:
            return None
        sides = [side if isinstance(side, int) else -1 for side in made]
        if sides.count(-1) > 1 and given is not None:
            for place, side in enumerate(made):
                if isinstance(side, str) and place < len(given) and given[place] == side:
                    sides[place] = 0
        return sides if sides.count(-1) <= 1 else None

    def rewrite(self, graph: Graph, node: Node, match: Node) -> str:
        """Read past the first; it goes if nobody else reads it."""
        if node.op == "Transpose":
            inner, outer = match.get("perm"), node.get("perm")
            made = graph.make("Transpose", [match.input(0)], perm=[inner[place] for place in outer])
        else:
            target = self._target(graph, node, match)
            shape = graph.add_constant(np.asarray(target, dtype=np.int64), "shape")
            made = graph.make("Reshape", [match.input(0), shape])
        graph.replace(node.output, node, made.output)
        return f"joined with {match}"
