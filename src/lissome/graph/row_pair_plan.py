"""Where images should be kept as halves: what that saves at convolutions, and costs everywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lissome.graph.convolution import Convolution, read_convolution
from lissome.graph.free_channels import ELEMENTWISE
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.row_pairs import taps_of

NODE_COST = 12_000
"""What one node more costs, in elements copied: some 3 µs at some 4 elements a ns."""
MACS_PER_ELEMENT = 30
"""Multiply-adds that take the time of copying one element."""
JOIN_COST = 5.0
"""Times that joining halves copies the image: out of a blocked layout, beside each other, and back."""
WEIGHT_COST = 2.0
"""What reading one weight more costs, in elements copied: weights come from farther away than images."""
FLOAT = 1


@dataclass(slots=True)
class HalfPlan:
    """What becomes of each node.

    Args:
        paired: Convolutions that are computed by pairs of rows, and what each of them saves by itself, in elements.
        halved: All nodes whose result is kept as halves, those included.
        gathered: Nodes that read halves and make a whole image of them.
        joined: Tensors that somebody needs as a whole.
        regions: Nodes that live on halves together, and what their convolutions gain in all.
    """

    paired: dict[Node, float] = field(default_factory=dict)
    halved: dict[Node, None] = field(default_factory=dict)
    gathered: dict[Node, None] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    regions: list[tuple[list[Node], float]] = field(default_factory=list)


class Planner:
    """Knows a graph's convolutions and makes one plan of it.

    Args:
        graph: The graph, which is left alone.

    Attributes:
        numbers: Its convolutions.
        refused: Which of them stay as they are, and why.
        plan: The plan that gains in each of its regions.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph, self._nodes = graph, graph.sorted_nodes()
        found = {node: read_convolution(graph, node) for node in self._nodes if node.op == "Conv"}
        self.numbers: Mapping[Node, Convolution] = {node: one for node, one in found.items() if one is not None}
        self.refused: dict[Node, str] = {}
        self.plan = self._plan()

    def _plan(self) -> HalfPlan:
        paired: dict[Node, float] = {}
        for node, numbers in self.numbers.items():
            gain = self._gain(node, numbers)
            if isinstance(gain, str):
                self.refused[node] = gain
            elif gain is not None:
                paired[node] = gain
        while True:
            made = self._spread(paired)
            losing = [nodes for nodes, gain in made.regions if gain <= 0]
            if not losing:
                return made
            for node in (one for nodes in losing for one in nodes if one in paired):
                self.refused[node] = "splitting and joining rows around it costs more than it saves"
                del paired[node]

    def image(self, name: str) -> tuple[int, int, int] | None:
        """Return channels, rows and columns of a float image, if they are numbers."""
        shape = self._graph.shapes.shape(name)
        if shape is None or len(shape) != 4 or self._graph.shapes.type(name) != FLOAT:
            return None
        channels, rows, columns = shape[1:]
        known = isinstance(channels, int) and isinstance(rows, int) and isinstance(columns, int)
        return (channels, rows, columns) if known else None  # type: ignore[return-value]  # mypy forgets

    def pixels(self, name: str) -> int:
        """Return the elements of one sample of an image."""
        channels, rows, columns = self.image(name) or (0, 0, 0)
        return channels * rows * columns

    def _gain(self, node: Node, numbers: Convolution) -> float | str | None:
        """Return what pairing saves at a convolution; why it cannot; or None for one without three rows."""
        window, image = numbers.window, self.image(node.output)
        if window.kernel[0] != 3 or len(window.kernel) != 2 or not numbers.plain:
            return None
        if window.strides[0] != 1 or window.dilations[0] != 1 or window.pads is None:
            return "it steps over rows"
        if (window.pads[0], window.pads[2]) != (1, 1) or image is None or self.image(node.input(0)) is None:
            return "its images are not surely as high as its results"
        if image[1] % 2:
            return f"{image[1]} rows are no pairs"
        macs = numbers.weight.size * image[1] * image[2]
        moved = 2 * self.pixels(node.input(0)) + self.pixels(node.output)
        more = numbers.weight.size // 3
        gain = macs / 3 / MACS_PER_ELEMENT - moved - WEIGHT_COST * more - 8 * NODE_COST
        if gain <= 0:
            return f"it would save a third of {macs:,} MACs, move {moved:,} elements, and read {more:,} weights more"
        return gain

    def _spread(self, paired: Mapping[Node, float]) -> HalfPlan:
        plan, halves, costs = HalfPlan(dict(paired)), set[str](), dict[Node, float]()
        for node in self._nodes:
            cost = -paired[node] if node in paired else self._cost_on_halves(node, halves)
            if cost is not None:
                plan.halved[node], costs[node] = None, cost
                halves.add(node.output)
            elif self._gathers(node, halves):
                plan.gathered[node] = None
            elif halves.intersection(node.inputs):
                plan.joined |= halves.intersection(node.inputs)
        plan.joined |= {name for name in halves if self._graph.is_output(name)}
        region = _Groups()
        for name in halves:
            maker = self._graph.maker(name)
            for reader in self._graph.readers(name) if maker else ():
                if reader in plan.halved and maker:
                    region.unite(maker, reader)
            if maker:
                costs[maker] += NODE_COST * sum(one in plan.gathered for one in self._graph.readers(name))
                costs[maker] += JOIN_COST * self.pixels(name) + 2 * NODE_COST if name in plan.joined else 0
        for nodes in region.groups(plan.halved):
            plan.regions.append((nodes, -sum(costs[one] for one in nodes)))
        return plan

    def _cost_on_halves(self, node: Node, halves: set[str]) -> float | None:
        """Return what keeping a node's result as halves costs; None if it cannot be, or need not."""
        image = self.image(node.output)
        if not halves.intersection(node.inputs) or image is None or image[1] % 2 or not node.standard:
            return None
        if len([one for one in node.outputs if one]) != 1:
            return None
        if node.op in ELEMENTWISE:
            alone = all(self._graph.is_constant(name) for name in node.inputs[1:] if name)
            return NODE_COST if alone and node.input(0) in halves else None
        if node.op in ("Add", "Mul"):
            return self._arithmetic(node, halves)
        if node.op == "Concat" and node.get("axis") in (1, -3):
            return self._join_of_channels(node, halves)
        return self._convolution(node) if node in self.numbers else None

    def _arithmetic(self, node: Node, halves: set[str]) -> float | None:
        """Both terms are images, or one is the same in each row."""
        cost = float(NODE_COST)
        for name in node.inputs:
            shape = self._graph.shapes.shape(name)
            if self._graph.shapes.same(name, node.output) and not self._graph.is_constant(name):
                cost += 0 if name in halves else self.pixels(name) + 2 * NODE_COST
            elif name in halves or shape is None or (len(shape) > 1 and shape[-2] != 1) or len(shape) > 4:
                return None
        return cost

    def _join_of_channels(self, node: Node, halves: set[str]) -> float | None:
        others = [name for name in node.inputs if name not in halves]
        moved = sum(self.pixels(name) for name in others)
        if any(self.image(name) is None for name in others) or 2 * moved >= self.pixels(node.output):
            return None  # joining the few is less work
        return moved + (1 + 2 * len(others)) * NODE_COST

    def _convolution(self, node: Node) -> float | None:
        """A convolution that cannot be paired, but makes each half from the halves."""
        numbers, rows = self.numbers[node], self._rows(node)
        if rows is None or numbers.window.strides[0] != 1 or rows[0] != rows[1]:
            return None
        if numbers.window.kernel[0] == 1:
            return NODE_COST if numbers.window.pads is not None and numbers.window.pads[0] == 0 else None
        taps = [taps_of(numbers, rows, half, parity) for half in (0, 1) for parity in (0, 1)]
        return 3 * NODE_COST + self.pixels(node.output) if numbers.plain and None not in taps else None

    def _gathers(self, node: Node, halves: set[str]) -> bool:
        """Tell whether a node makes a whole from halves for nothing: a mean of all, or a step over every other row."""
        if node.input(0) not in halves or not node.standard:
            return False
        if node.op == "GlobalAveragePool":
            return True
        numbers, rows = self.numbers.get(node), self._rows(node)
        if numbers is None or rows is None:
            return False
        return all(taps_of(numbers, rows, half, None) is not None for half in (0, 1))

    def _rows(self, node: Node) -> tuple[int, int] | None:
        given, made = self.image(node.input(0)), self.image(node.output)
        return (given[1], made[1]) if given is not None and made is not None else None


class _Groups:
    """Nodes that hang together."""

    def __init__(self) -> None:
        self._parents: dict[Node, Node] = {}

    def unite(self, one: Node, other: Node) -> None:
        self._parents[self._root(one)] = self._root(other)

    def groups(self, nodes: Mapping[Node, None]) -> list[list[Node]]:
        found: dict[Node, list[Node]] = {}
        for node in nodes:
            found.setdefault(self._root(node), []).append(node)
        return list(found.values())

    def _root(self, node: Node) -> Node:
        while node in self._parents and self._parents[node] is not node:
            node = self._parents[node]
        return node
