"""Images as two halves, their even and their odd rows, and what convolutions become on them.

On halves a convolution of three rows takes four multiplications for two rows of its result where it took six: with d0 …
d3 four rows of the image and g0, g1, g2 those of the kernel,

    m0 = (d0 - d2)·g0    m1 = (d1 + d2)·(g0 + g1 + g2)/2    m2 = (d2 - d1)·(g0 - g1 + g2)/2    m3 = (d1 - d3)·g2
    even row = m0 + m1 + m2    odd row = m1 - m2 - m3

Each product is a convolution of one row of kernel over an image of half the height, so that an engine needs nothing
special for it. Subtractions are depthwise convolutions, which engines keep in their blocked layout and add into.

Source:
    Winograd 1980, Arithmetic complexity of computations, F(2, 3); for convolutions Lavin and Gray 2015,
    arXiv:1509.09308.
"""

from dataclasses import replace

import numpy as np

from lissome.graph.convolution import Convolution, Floats, write_convolution
from lissome.graph.graph import Graph
from lissome.graph.window_rules import Window

Halves = tuple[str, str]
"""Even rows, odd rows."""


class HalfWriter:
    """Writes nodes that work on halves.

    Args:
        graph: The graph, which is changed.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._splits: dict[str, Halves] = {}

    def split(self, tensor: str, channels: int) -> Halves:
        """Return the halves of an image of an even number of rows, each taken out by a depthwise convolution."""
        if tensor not in self._splits:
            even = self._mix(tensor, channels, (1,), stride=2)
            self._splits[tensor] = even, self._mix(tensor, channels, (0, 1), stride=2)
        return self._splits[tensor]

    def join(self, halves: Halves, shape: tuple[int, int, int], output: str) -> None:
        """Write the whole image under a name: a row of both halves beside each other, read as two rows.

        Args:
            halves: Even and odd rows.
            shape: Channels, rows and columns of the whole.
            output: The name.
        """
        beside = self._graph.make("Concat", list(halves), axis=3).output
        target = self._graph.add_constant(np.asarray((0, *shape), dtype=np.int64), "shape")
        self._graph.make("Reshape", [beside, target], output)

    def pooled(self, halves: Halves, output: str) -> None:
        """Write the mean over the whole image, from those of its halves, under a name."""
        means = [self._graph.make("GlobalAveragePool", [half]).output for half in halves]
        half = self._graph.add_constant(np.asarray(0.5, dtype=np.float32), "half")
        self._graph.make("Mul", [self._graph.make("Add", means).output, half], output)

    def paired(self, numbers: Convolution, source: str | Halves) -> Halves:
        """Return the halves of what a convolution of three rows makes of an image or its halves."""
        graph, channels = self._graph, numbers.inputs
        if isinstance(source, str):
            mixed = [
                self._mix(source, channels, (1, 0, -1), stride=2, pads=(1, 0)),
                self._mix(source, channels, (1, 1), stride=2),
                self._mix(source, channels, (-1, 1), stride=2),
                self._mix(source, channels, (1, 0, -1), stride=2, pads=(0, 1)),
            ]
        else:
            even, odd = source
            mixed = [
                self._mix(odd, channels, (1, -1), pads=(1, 0)),
                graph.make("Add", [even, odd]).output,
                graph.make("Add", [self._mix(even, channels, (-1,)), odd]).output,
                self._mix(even, channels, (1, -1), pads=(0, 1)),
            ]
        first, second, third = (numbers.exact[:, :, row : row + 1] for row in range(3))
        kernels = (first, (first + second + third) / 2, (first - second + third) / 2, -third)
        made = []
        for place, (name, kernel) in enumerate(zip(mixed, kernels, strict=True)):
            bias = numbers.bias if place == 1 else np.zeros(numbers.outputs)
            made.append(self._convolve(name, numbers, kernel, bias))
        plus = graph.make("Add", [made[1], made[2]]).output
        minus = graph.make("Add", [self._mix(made[2], numbers.outputs, (-1,)), made[1]]).output
        return graph.make("Add", [made[0], plus]).output, graph.make("Add", [made[3], minus]).output

    def convolved(self, numbers: Convolution, halves: Halves, rows: tuple[int, int], *, parity: int | None) -> str:
        """Return what any convolution makes of the halves: the whole, or the half of one parity.

        Args:
            numbers: The convolution; `taps_of` must know its taps.
            halves: Even and odd rows of what it reads.
            rows: Rows of the whole that it reads, and of the whole that it makes.
            parity: 0 for the even rows of the result, 1 for the odd ones, None for all.
        """
        total = ""
        for half, name in enumerate(halves):
            taps = taps_of(numbers, rows, half, parity)
            if taps is None:
                raise ValueError("its taps do not meet the halves")
            if not taps.rows:
                continue
            lead = np.zeros((*numbers.weight.shape[:2], taps.lead, numbers.weight.shape[3]))
            kernel = np.concatenate([lead, numbers.exact[:, :, list(taps.rows)]], axis=2)
            bias = np.zeros(numbers.outputs) if total else numbers.bias
            part = self._convolve(name, numbers, kernel, bias, stride=taps.stride, pads=taps.pads)
            total = self._graph.make("Add", [total, part]).output if total else part
        return total

    def _convolve(
        self,
        source: str,
        numbers: Convolution,
        kernel: Floats,
        bias: Floats,
        *,
        stride: int = 1,
        pads: tuple[int, int] = (0, 0),
    ) -> str:
        window, (top, bottom) = numbers.window, pads
        sides = window.pads or (0, 0, 0, 0)
        made = Window(
            (kernel.shape[2], window.kernel[1]),
            (stride, window.strides[1]),
            (top, sides[1], bottom, sides[3]),
            (1, window.dilations[1]),
        )
        return write_convolution(self._graph, source, replace(numbers, weight=kernel, bias=bias, window=made)).output

    def _mix(
        self, source: str, channels: int, taps: tuple[int, ...], *, stride: int = 1, pads: tuple[int, int] = (0, 0)
    ) -> str:
        """Return a weighted sum of neighbouring rows, the same for each channel."""
        kernel = np.tile(np.asarray(taps, dtype=np.float64).reshape(1, 1, -1, 1), (channels, 1, 1, 1))
        window = Window((len(taps), 1), (stride, 1), (pads[0], 0, pads[1], 0), (1, 1))
        return write_convolution(self._graph, source, Convolution(kernel, np.zeros(channels), channels, window)).output


class Taps:
    """Which rows of a kernel fall on a half, and the window they make there.

    Args:
        rows: Rows of the kernel.
        lead: Rows of zeros in front of them.
        stride: Step in rows of the half.
        pads: Zeros above and below the half.
    """

    __slots__ = ("lead", "pads", "rows", "stride")

    def __init__(self, rows: tuple[int, ...], lead: int, stride: int, pads: tuple[int, int]) -> None:
        self.rows, self.lead, self.stride, self.pads = rows, lead, stride, pads


def taps_of(numbers: Convolution, rows: tuple[int, int], half: int, parity: int | None) -> Taps | None:
    """Return how a convolution reads a half; None if no window of the half alone does it.

    Args:
        numbers: The convolution.
        rows: Rows of the whole that it reads, and of the whole that it makes.
        half: 0 for the half of even rows, 1 for the odd ones.
        parity: Which rows it makes: 0 the even ones, 1 the odd ones, None all.
    """
    window = numbers.window
    step = window.strides[0] * (1 if parity is None else 2)
    if window.pads is None or step % 2 or (window.dilations[0] != 1 and window.kernel[0] > 1):
        return None
    start = window.strides[0] * (parity or 0) - window.pads[0] - half
    found = tuple(row for row in range(window.kernel[0]) if (start + row) % 2 == 0)
    if not found:
        return Taps((), 0, step // 2, (0, 0))
    first, last = (start + found[0]) // 2, (start + found[-1]) // 2
    made = rows[1] if parity is None else rows[1] // 2
    below = step // 2 * (made - 1) + last - (rows[0] // 2 - 1)
    if below <= -(step // 2):
        return None
    return Taps(found, max(first, 0), step // 2, (max(-first, 0), max(below, 0)))
