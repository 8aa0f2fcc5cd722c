"""Compute two rows of a convolution together, for two thirds of the multiplications.

Images are kept as two halves, even rows and odd rows, from one such convolution to the next, so that splitting and
joining them is paid for once a chain. Engines that have such an algorithm of their own gain nothing by it; ONNX Runtime
and OpenVINO multiply out every convolution on a CPU.
"""

from collections.abc import Iterable
from typing import ClassVar

from lissome.core.outcome import Note
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal
from lissome.graph.row_pair_plan import HalfPlan, Planner
from lissome.graph.row_pairs import HalfWriter, Halves


class PairRows(Pass[HalfPlan]):
    """Keep images as even and odd rows, and multiply less."""

    purpose: ClassVar[str] = "compute convolutions of three rows by pairs of rows, for two thirds of the MACs"
    algebra: ClassVar[str] = "F(2, 3): m0 + m1 + m2, m1 - m2 - m3 with m0 = (d0 - d2)·g0 … of four rows d"

    def requires(self, graph: Graph, facts: EngineFacts) -> Refusal | None:
        """An engine that does not do so itself."""
        return Refusal(facts.pair_cost) if facts.pair_cost else None

    def candidates(self, graph: Graph) -> Iterable[Node]:
        """The convolutions of three rows that the whole plan pairs."""
        return list(_planner(graph).plan.paired)

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> HalfPlan | Refusal | None:
        """The plan for the whole graph pairs it."""
        planner = _planner(graph)
        if node in planner.plan.paired:
            return planner.plan
        return Refusal(planner.refused[node]) if node in planner.refused else None

    def rewrite(self, graph: Graph, node: Node, match: HalfPlan) -> str:
        """Carry out the whole plan."""
        _carry_out(graph, _planner(graph), match)
        return f"{len(match.paired)} convolutions go by pairs of rows"

    def run(self, graph: Graph, facts: EngineFacts) -> tuple[Note, ...]:
        """Carry out the whole plan, with a note a region."""
        refusal = self.requires(graph, facts)
        if refusal is not None:
            return (Note("", refusal.reason, applied=False),)
        planner = _planner(graph)
        plan = planner.plan
        notes = []
        for nodes, _ in plan.regions:
            pairs = sum(one in plan.paired for one in nodes)
            label = str(next(one for one in nodes if one in plan.paired))
            notes.append(Note(label, f"{pairs} convolutions on {len(nodes)} nodes of halves go by pairs of rows"))
        _carry_out(graph, planner, plan)
        return (*notes, *(Note(str(node), reason, applied=False) for node, reason in planner.refused.items()))


def _planner(graph: Graph) -> Planner:
    """Return the planner of a graph as it is."""
    return graph.remembered(Planner, lambda: Planner(graph))


def _carry_out(graph: Graph, planner: Planner, plan: HalfPlan) -> None:
    writer = HalfWriter(graph)
    halves: dict[str, Halves] = {}
    for node in graph.sorted_nodes():
        if node in plan.halved:
            made = _halved(graph, planner, plan, writer, halves, node)
            graph.remove(node)
            halves[node.output] = made
            image = planner.image(node.output)
            if node.output in plan.joined and image is not None:
                writer.join(made, image, node.output)
        elif node in plan.gathered:
            _gather(graph, planner, writer, halves, node)
    if plan.halved:
        graph.forget_shapes()


def _halved(
    graph: Graph,
    planner: Planner,
    plan: HalfPlan,
    writer: HalfWriter,
    halves: dict[str, Halves],
    node: Node,
) -> Halves:
    numbers = planner.numbers.get(node)
    if numbers is not None:
        source = node.input(0)
        if node in plan.paired:
            return writer.paired(numbers, halves.get(source, source))
        rows = _rows(planner, node)
        even, odd = (writer.convolved(numbers, halves[source], rows, parity=parity) for parity in (0, 1))
        return even, odd
    sides = []
    for name in node.inputs:
        image = planner.image(name) if name and not graph.is_constant(name) else None
        if name not in halves and image is not None and image[1] == _rows(planner, node, node.output)[1]:
            halves[name] = writer.split(name, image[0])
        sides.append(halves.get(name, (name, name)))
    even, odd = (graph.make(node.op, [one[parity] for one in sides], **node.attributes).output for parity in (0, 1))
    return even, odd


def _gather(graph: Graph, planner: Planner, writer: HalfWriter, halves: dict[str, Halves], node: Node) -> None:
    source, numbers = node.input(0), planner.numbers.get(node)
    if numbers is None:
        graph.remove(node)
        writer.pooled(halves[source], node.output)
        return
    made = writer.convolved(numbers, halves[source], _rows(planner, node), parity=None)
    graph.replace(node.output, node, made)


def _rows(planner: Planner, node: Node, source: str | None = None) -> tuple[int, int]:
    given, made = planner.image(source or node.input(0)), planner.image(node.output)
    return (given[1] if given else 0, made[1] if made else 0)
