"""Let convolutions pad for themselves."""

from dataclasses import dataclass
from typing import ClassVar

from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

_ROUNDING = ("QuantizeLinear", "DequantizeLinear")
"""0 is a number that every integer format of ours and ONNX's represents exactly, so rounding keeps a frame of zeros."""


@dataclass(frozen=True, slots=True)
class FoldablePad:
    """A Pad that its readers can do without.

    Args:
        convs: The convolutions that pad in its place.
        sides: Zeros before and after each side of the image, as in a convolution's ``pads``.
    """

    convs: tuple[Node, ...]
    sides: tuple[int, ...]


class FoldPads(Pass[FoldablePad]):
    """Take a frame of zeros into the convolutions behind it, also where numbers are rounded in between.

    An engine with integer convolutions has no integer frame: it leaves integers for it, and comes back behind.
    """

    purpose: ClassVar[str] = "let convolutions pad by zeros for themselves"
    algebra: ClassVar[str] = "W∗pad(x) = W∗x with wider padding"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> FoldablePad | Refusal | None:
        """The frame is of zeros, around the image alone, and only convolutions see it."""
        if node.op != "Pad" or not node.standard:
            return None
        pads, refusal = _frame(graph, node)
        if refusal is not None:
            return refusal
        name = node.output
        reader = graph.only_reader(name)
        while reader is not None and reader.op in _ROUNDING and reader.standard:
            name = reader.output
            reader = graph.only_reader(name)
        convs = graph.readers(name)
        if graph.is_output(name) or not convs or not all(_pads_itself(one, name) for one in convs):
            return Refusal("not only convolutions with paddings of their own read it")
        return FoldablePad(tuple(convs), pads)

    def rewrite(self, graph: Graph, node: Node, match: FoldablePad) -> str:
        """Widen the paddings and leave the frame out."""
        for conv in match.convs:
            own = conv.get("pads", [0] * len(match.sides))
            graph.set_attribute(conv, "pads", [one + more for one, more in zip(own, match.sides, strict=True)])
        graph.replace(node.output, node, node.input(0))
        graph.forget_shapes()
        return f"{len(match.convs)} convolution{'s' * (len(match.convs) > 1)} pad by {list(match.sides)} more"


def _frame(graph: Graph, node: Node) -> tuple[tuple[int, ...], Refusal | None]:
    """Return the zeros around the image, and why they are none if they are not."""
    pads = graph.shapes.setting(node, "pads", 1)
    if pads is None or node.input(3):
        return (), Refusal("its sides are not known before it runs")
    rank = len(pads) // 2
    sides = (*pads[2:rank], *pads[rank + 2 :])
    if node.get("mode", "constant") != "constant" or not _is_zero(graph, node):
        return (), Refusal("it pads by something else than zeros")
    if any((*pads[:2], *pads[rank : rank + 2])) or any(one < 0 for one in sides) or not sides:
        return (), Refusal("it changes batch or channels, or cuts")
    return sides, None


def _is_zero(graph: Graph, node: Node) -> bool:
    if not node.input(2):
        return float(node.get("value", 0.0)) == 0
    value = graph.constant(node.input(2)) if graph.is_constant(node.input(2)) else None
    return value is not None and not value.any()


def _pads_itself(node: Node, name: str) -> bool:
    """Tell whether a node is a convolution of this tensor, as image only, with paddings given as numbers."""
    return (
        node.op == "Conv"
        and node.standard
        and node.input(0) == name
        and node.inputs.count(name) == 1
        and node.get("auto_pad", "NOTSET") == "NOTSET"
    )
