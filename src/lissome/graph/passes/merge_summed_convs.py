"""Make one convolution of a sum of convolutions of the same input: the branches of RepVGG and ACNet, identity included.

Source:
    Ding et al. 2019, arXiv:1908.03930, equation 5 (additivity); Ding et al. 2021, arXiv:2101.03697, section 3.3.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lissome.graph.affine import read_affine
from lissome.graph.convolution import Convolution, fits_float32, read_convolution, write_convolution
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal
from lissome.graph.window_rules import Window


@dataclass(frozen=True, slots=True)
class Branch:
    """One term of a sum.

    Args:
        source: What it reads.
        node: The node that makes it; None for the source itself.
        numbers: As a convolution; None for scale and shift, whose groups follow the other term.
        scale: One number a channel, for a term that is no convolution.
        shift: Likewise.
    """

    source: str
    node: Node | None
    numbers: Convolution | None = None
    scale: np.ndarray | None = None
    shift: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """A merged convolution.

    Args:
        source: What it reads.
        numbers: Its weight, bias and window.
        gone: Nodes it takes the place of.
    """

    source: str
    numbers: Convolution
    gone: tuple[Node, ...]


class MergeSummedConvs(Pass[Sum]):
    """Add kernels instead of results."""

    purpose: ClassVar[str] = "make one convolution of a sum of convolutions of the same input"
    algebra: ClassVar[str] = "U*x + V*x + s·x = (U + V + diag(s))*x, smaller kernels padded with zeros"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Sum | Refusal | None:
        """Two terms, one of them a convolution, of one input, the one kernel covering the other."""
        if node.op not in ("Add", "Sum") or len(node.inputs) != 2 or not node.standard:
            return None
        pair = _same_source(_branches(graph, node, 0), _branches(graph, node, 1))
        if pair is None:
            return None
        first, second = pair
        shared = [one.node for one in pair if one.node is not None and graph.only_reader(one.node.output) is not node]
        if shared:
            return Refusal(f"{shared[0]} is read elsewhere as well")
        if not graph.shapes.same(node.inputs[0], node.inputs[1]):
            return Refusal("its inputs are not surely of one shape")
        merged = _merge(first, second)
        if isinstance(merged, Refusal):
            return merged
        # x + x of one convolution is a pair of the same node
        gone = dict.fromkeys(one.node for one in pair if one.node is not None)
        return Sum(first.source, merged, tuple(gone))

    def rewrite(self, graph: Graph, node: Node, match: Sum) -> str:
        """One convolution takes the place of all."""
        made = write_convolution(graph, match.source, match.numbers)
        graph.replace(node.output, node, made.output)
        graph.remove(*match.gone)
        return f"{' and '.join(map(str, match.gone))} became one of {'x'.join(map(str, match.numbers.window.kernel))}"


def _branches(graph: Graph, node: Node, place: int) -> list[Branch]:
    """Return the ways to see one term: as what its maker does, and as a tensor of its own."""
    name = node.inputs[place]
    maker = graph.maker(name)
    found: list[Branch] = []
    numbers = read_convolution(graph, maker)
    if numbers is not None and maker is not None:
        found.append(Branch(maker.input(0), maker, numbers))
    affine = read_affine(graph, maker) if maker is not None and maker.op == "BatchNormalization" else None
    if affine is not None:
        found.append(Branch(affine.source, maker, None, affine.scale, affine.shift))
    channels = graph.shapes.channels(name)
    if channels is not None and graph.shapes.type(name) == 1:
        found.append(Branch(name, None, None, np.ones(channels), np.zeros(channels)))
    return found


def _same_source(ones: list[Branch], others: list[Branch]) -> tuple[Branch, Branch] | None:
    for one in ones:
        for other in others:
            if one.source == other.source and (one.numbers is not None or other.numbers is not None):
                return one, other
    return None


def _merge(first: Branch, second: Branch) -> Convolution | Refusal:
    one, other = first.numbers, second.numbers
    if one is None or other is None:
        numbers, plain = (one, second) if one is not None else (other, first)
        if numbers is None or plain.scale is None or plain.shift is None:
            return Refusal("neither is a convolution")
        if numbers.inputs != numbers.outputs or numbers.outputs != plain.scale.size:
            return Refusal("the identity has other channels than the convolution")
        one, other = numbers, _diagonal(plain.scale, plain.shift, numbers)
    if one.group != other.group or one.outputs != other.outputs or one.inputs != other.inputs:
        return Refusal("they differ in groups or channels")
    made = _added(one, other)
    if isinstance(made, Convolution) and not fits_float32(made.weight, made.bias):
        return Refusal("the merged weights are not finite")
    return made


def _diagonal(scale: np.ndarray, shift: np.ndarray, like: Convolution) -> Convolution:
    """Return scale and shift as a 1x1 convolution with the groups of another."""
    channels, per_group = scale.size, scale.size // like.group
    rank = len(like.window.kernel)
    weight = np.zeros((channels, per_group, *[1] * rank))
    weight.reshape(channels, per_group)[np.arange(channels), np.arange(channels) % per_group] = scale
    ones = (1,) * rank
    return Convolution(weight, shift, like.group, Window(ones, ones, (0,) * (2 * rank), ones))


def _added(one: Convolution, other: Convolution) -> Convolution | Refusal:
    large, small = (one, other) if one.weight.size >= other.weight.size else (other, one)
    wide, narrow = large.window, small.window
    if wide.strides != narrow.strides:
        return Refusal("they step differently")
    if wide.pads is None or narrow.pads is None:
        return Refusal("one of them pads automatically")
    rank = len(wide.kernel)
    padding = [(0, 0), (0, 0)]
    for place in range(rank):
        if narrow.kernel[place] > 1 and wide.dilations[place] != narrow.dilations[place]:
            return Refusal("their dilations differ")
        before, rest = divmod(wide.pads[place] - narrow.pads[place], wide.dilations[place])
        after = wide.kernel[place] - narrow.kernel[place] - before
        if rest:
            return Refusal("their taps do not meet")
        if before < 0 or after < 0:
            return Refusal("neither kernel covers the other, a larger one would cost more MACs")
        padding.append((before, after))
    return replace(large, weight=large.exact + np.pad(small.exact, padding), bias=large.bias + small.bias)
