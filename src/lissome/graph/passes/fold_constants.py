"""Compute once, here, what would be computed anew at every call: nodes whose inputs are all constants."""

from typing import ClassVar

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.evaluate import EVALUATORS, evaluate
from lissome.graph.graph import Array, Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal


class FoldConstants(Pass[list[Array]]):
    """Replace nodes that read only constants by their results."""

    purpose: ClassVar[str] = "compute nodes that read only constants"
    algebra: ClassVar[str] = "f(c) is a constant"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> list[Array] | Refusal | None:
        """All inputs are constants, and there is a rule."""
        if not all(graph.is_constant(name) for name in node.inputs if name) or not (
            node.inputs or node.op == "Constant"
        ):
            return None
        if any(graph.is_output(name) for name in node.outputs):
            return Refusal("its output leaves the graph")
        if node.op not in EVALUATORS or not node.standard:
            return Refusal("there is no rule that computes it here")
        made = evaluate(graph, node)
        if made is None or len(made) != len(node.outputs):
            return Refusal("its result is too large, or its settings make no sense")
        return made

    def rewrite(self, graph: Graph, node: Node, match: list[Array]) -> str:
        """Its outputs become constants."""
        graph.remove(node)
        for name, array in zip(node.outputs, match, strict=True):
            if name:
                graph.set_constant(name, array)
        return f"computed: {'x'.join(map(str, match[0].shape)) or 'a number'}"
