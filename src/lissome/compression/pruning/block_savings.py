"""What is saved without a block: one block, its multiply-adds, or its measured time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, fx

from lissome.profiling.latency_table import LatencyTable, structure_key
from lissome.profiling.layer_kinds import kinds_in
from lissome.profiling.profile import profile
from lissome.tracing.blocks import Block


@dataclass(frozen=True, slots=True)
class Savings:
    """What blocks are worth in the objective.

    Args:
        whole: Of the network as it is.
        parts: For each block its layers, or its own name where each block counts as one.
        unit: "blocks", "MACs" or "ms".
        each: Of each part.
    """

    whole: float
    parts: Mapping[str, frozenset[str]]
    each: Mapping[str, float]
    unit: str

    @property
    def of(self) -> Mapping[str, float]:
        """What each block saves by itself."""
        return {name: sum(self.each.get(one, 0.0) for one in parts) for name, parts in self.parts.items()}

    def left(self, removed: Collection[str]) -> float:
        """Return what the network costs without blocks; a block within a block counts once."""
        gone = {one for name in removed for one in self.parts[name]}
        return self.whole - sum(self.each.get(one, 0.0) for one in gone)


def savings_of(
    graph: fx.GraphModule,
    inputs: tuple[Tensor, ...],
    blocks: Sequence[Block],
    objective: Literal["blocks", "macs"] | LatencyTable,
) -> Savings:
    """Return what each block is worth.

    A block's time is that of its convolutions and fully connected layers; what it adds up is not counted, so that a
    little more is saved than is promised.

    Args:
        graph: The network.
        inputs: Example inputs.
        blocks: Of this graph.
        objective: "blocks", "macs", or a table of times that was measured with this network.

    Raises:
        SettingError: The table lacks a layer.
    """
    if objective == "blocks":
        names = [one.name for one in blocks]
        return Savings(len(blocks), {one: frozenset({one}) for one in names}, dict.fromkeys(names, 1.0), "blocks")
    parts = {one.name: frozenset(one.layers) for one in blocks}
    cost = profile(graph, inputs)
    each: dict[str, float] = {}
    if objective == "macs":
        for row in cost.rows:
            each[row.layer] = each.get(row.layer, 0.0) + row.macs
        return Savings(cost.macs, parts, each, "MACs")
    for row, kind, reads, makes in kinds_in(graph, cost):
        each[row.layer] = each.get(row.layer, 0.0) + objective.lookup(kind, reads, makes)
    whole = objective.times().networks.get(structure_key(graph, cost), 0.0)
    return Savings(max(whole, sum(each.values())), parts, each, "ms")
