"""Put an average pooling on that side of a pointwise convolution where there is less to do.

One averages pixels of a channel, the other mixes channels of a pixel, so that their order does not matter. A pooling
that shrinks the image goes first (DenseNet's transitions: a quarter of the MACs), one that keeps its size goes behind a
convolution that leaves fewer channels (Inception's pooling branches), as a depthwise convolution, which also adds the
bias and can be fused with the activation.

Source:
    The layers are those of Huang et al. 2017, arXiv:1608.06993, section 3, and Szegedy et al. 2016, arXiv:1512.00567,
    figure 5; the rewrite is ours.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lissome.graph.convolution import Convolution, read_convolution, write_convolution
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal
from lissome.graph.window_rules import Window, window_of

MACS_PER_ELEMENT = 30
"""Multiply-adds that take the time of reading one element of a pooling's window."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Two nodes that change places.

    Args:
        first: The one that runs first so far.
        numbers: The convolution.
        window: The pooling's window.
        counts_padding: Whether the padding's zeros count in the mean.
    """

    first: Node
    numbers: Convolution
    window: Window
    counts_padding: bool


class SwapAveragePools(Pass[Swap]):
    """Pool first where the image shrinks, last where the channels do."""

    purpose: ClassVar[str] = "put average poolings on the side of a 1x1 convolution where they are less work"
    algebra: ClassVar[str] = "mean(V·x + b) = V·mean(x) + b"

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Swap | Refusal | None:
        """Only the two see what is in between, and the other order is less work."""
        before = graph.maker(node.input(0)) if node.op in ("Conv", "AveragePool") and node.standard else None
        if before is None or not before.standard or {before.op, node.op} != {"Conv", "AveragePool"}:
            return None
        conv, pool = (node, before) if node.op == "Conv" else (before, node)
        numbers, window = read_convolution(graph, conv), _window(pool)
        if numbers is None or not numbers.plain or not numbers.window.pointwise:
            return None
        if graph.only_reader(before.output) is not node:
            return Refusal(f"{before} is read elsewhere as well")
        pixels = [_product((graph.shapes.shape(name) or ())[2:]) for name in (pool.input(0), pool.output)]
        if window is None or window.pads is None or 0 in pixels:
            return Refusal("the window of the pooling is not surely known")
        counts = bool(pool.get("count_include_pad", 0)) or not any(window.pads)
        found = Swap(before, numbers, window, counts)
        reason = _why_not_behind(found, pixels) if before is pool else _why_not_before(found, pixels)
        return Refusal(reason) if reason else found

    def rewrite(self, graph: Graph, node: Node, match: Swap) -> str:
        """The second reads what the first read."""
        first, numbers = match.first, match.numbers
        source = first.input(0)
        if first.op == "Conv":
            pooled = graph.make("AveragePool", [source], **node.attributes).output
            made = write_convolution(graph, pooled, numbers)
        elif match.counts_padding:
            mixed = write_convolution(graph, source, replace(numbers, bias=np.zeros(numbers.outputs))).output
            made = write_convolution(graph, mixed, _mean(numbers, match.window))
        else:
            mixed = write_convolution(graph, source, numbers).output
            made = graph.make("AveragePool", [mixed], **first.attributes)
        graph.replace(node.output, node, made.output)
        graph.remove(first)
        graph.forget_shapes()
        return f"changed places with {first}"


def _why_not_behind(swap: Swap, pixels: list[int]) -> str:
    """Return why a pooling must not go behind the convolution, or ""."""
    if pixels[0] != pixels[1] or max(swap.window.strides) > 1:
        return "the pooling shrinks the image"
    return "" if 2 * swap.numbers.outputs <= swap.numbers.inputs else "the convolution does not halve the channels"


def _why_not_before(swap: Swap, pixels: list[int]) -> str:
    """Return why a pooling must not go before the convolution, or ""."""
    if any(swap.window.pads or ()) and swap.counts_padding:
        return "the pooling counts its padding, which the bias would have to come before"
    saved = swap.numbers.weight.size * (pixels[0] - pixels[1]) / MACS_PER_ELEMENT
    more = (swap.numbers.inputs - swap.numbers.outputs) * pixels[0]
    return "" if saved > more else "pooling more channels would cost more than the convolution saves"


def _window(pool: Node) -> Window | None:
    kernel = pool.get("kernel_shape")
    if not kernel or pool.get("ceil_mode", 0):
        return None
    try:
        window = window_of(pool, tuple(kernel))
    except ValueError:
        return None
    return window if set(window.dilations) == {1} else None


def _mean(numbers: Convolution, window: Window) -> Convolution:
    """Return a mean over a window, and the bias, as a depthwise convolution."""
    area = int(np.prod(window.kernel))
    weight = np.full((numbers.outputs, 1, *window.kernel), 1 / area)
    return Convolution(weight, numbers.bias, numbers.outputs, window)


def _product(sides: tuple[int | str | None, ...]) -> int:
    """Return the product of sides that are all numbers, else 0."""
    numbers = [side for side in sides if isinstance(side, int)]
    return int(np.prod(numbers)) if numbers and len(numbers) == len(sides) else 0
