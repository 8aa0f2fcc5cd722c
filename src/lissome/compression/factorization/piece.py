"""One of the smaller layers that stand for a layer, and what it costs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lissome.profiling.latency_table import LatencyTable
from lissome.profiling.layer_kinds import LayerKind

Objective = Literal["macs"] | LatencyTable
"""What a layer costs: multiply-adds, or measured milliseconds on an engine."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A layer of a kind and its widths.

    Args:
        kind: Kernel, stride, padding and size of its input.
        reads: Channels of its input.
        makes: Channels of its output.

    Example:
        >>> piece = Piece(LayerKind(kernel=(3, 1), padding=(1, 0), size=(8, 8)), 4, 16)
        >>> piece.macs, piece.output
        (12288, (8, 8))
    """

    kind: LayerKind
    reads: int
    makes: int

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of its output; (0, 0) of a fully connected layer."""
        kind = self.kind
        if kind.is_linear:
            return (0, 0)
        each = zip(kind.size, kind.padding, kind.dilation, kind.kernel, kind.stride, strict=True)
        high, wide = ((size + 2 * pad - far * (side - 1) - 1) // step + 1 for size, pad, far, side, step in each)
        return high, wide

    @property
    def macs(self) -> int:
        """Multiply-adds of one call."""
        inputs = 1 if self.kind.groups == 0 else self.reads // self.kind.groups
        positions = 1 if self.kind.is_linear else math.prod(self.output)
        return inputs * self.makes * math.prod(self.kind.kernel) * positions


def cost_of(pieces: Iterable[Piece], objective: Objective) -> float:
    """Return what a chain of layers costs.

    Raises:
        SettingError: The table of times knows no such layer.
    """
    if isinstance(objective, LatencyTable):
        return sum(objective.lookup(one.kind, one.reads, one.makes) for one in pieces)
    return float(sum(one.macs for one in pieces))


def pointwise(size: tuple[int, int]) -> LayerKind:
    """Return the kind of a 1x1 convolution on maps of a size, or of a fully connected layer for (0, 0)."""
    return LayerKind(size=size)


def along(kind: LayerKind, axis: Literal[0, 1], size: tuple[int, int], groups: int = 1) -> LayerKind:
    """Return the kind of a convolution whose kernel lies along one axis, its stride and padding with it."""

    def one(pair: tuple[int, int], other: int) -> tuple[int, int]:
        return (pair[0], other) if axis == 0 else (other, pair[1])

    return replace(
        kind,
        kernel=one(kind.kernel, 1),
        stride=one(kind.stride, 1),
        padding=one(kind.padding, 0),
        dilation=one(kind.dilation, 1),
        groups=groups,
        size=size,
    )
