"""Fold what scales and shifts each channel into the convolution behind it: pre-processing, or a lone normalisation.

With zero padding a shift cannot go: the border is zero after it, and would not be before it.
"""

from dataclasses import dataclass
from typing import ClassVar

from lissome.graph.affine import Affine, read_affine
from lissome.graph.convolution import Convolution, fits_float32, read_convolution, set_convolution
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal


@dataclass(frozen=True, slots=True)
class Folding:
    """What goes where.

    Args:
        affine: Scale and shift of each channel.
        readers: The convolutions behind, with their numbers after the fold.
    """

    affine: Affine
    readers: tuple[tuple[Node, Convolution], ...]


class FoldInputScales(Pass[Folding]):
    """Take a scale and shift into all convolutions that read it."""

    purpose: ClassVar[str] = "fold scale and shift, such as pre-processing, into the convolution behind"
    algebra: ClassVar[str] = "W*(s·x + t) + b = (W·s)*x + (b + Σ W·t), without padding or with t = 0"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Folding | Refusal | None:
        """Every reader is a convolution that can take it."""
        affine = read_affine(graph, node)
        readers = graph.readers(node.output)
        if affine is None or not readers or not any(one.op == "Conv" for one in readers):
            return None
        if graph.is_output(node.output):
            return Refusal("its output leaves the graph")
        if not graph.shapes.same(affine.source, node.output):
            return Refusal("it changes the shape")
        made = []
        for reader in readers:
            folded = _folded(graph, reader, affine)
            if isinstance(folded, Refusal):
                return folded
            made.append((reader, folded))
        return Folding(affine, tuple(made))

    def rewrite(self, graph: Graph, node: Node, match: Folding) -> str:
        """Scale the weights, shift the biases, and read past the node."""
        for reader, folded in match.readers:
            set_convolution(graph, reader, folded)
        graph.replace(node.output, node, match.affine.source)
        return f"folded into {', '.join(str(reader) for reader, _ in match.readers)}"


def _folded(graph: Graph, reader: Node, affine: Affine) -> Convolution | Refusal:
    found = read_convolution(graph, reader)
    if found is None or found.inputs != affine.scale.size:
        return Refusal(f"{reader} reads it as well and has no constant weight to take it")
    if affine.shift.any() and (found.window.pads is None or any(found.window.pads)):
        return Refusal(f"{reader} pads with zeros, which the shift would have to come before")
    folded = found.after_scaling(affine.scale, affine.shift)
    if not fits_float32(folded.weight, folded.bias):
        return Refusal("the folded weights are not finite")
    return folded
