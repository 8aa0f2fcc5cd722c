"""Convolutions as numbers: weight, bias and window. What is computed from them is computed in double precision."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.window_rules import Window, window_of

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution whose weight and bias are constants.

    Args:
        weight: Shape (channels out, channels in / group, *kernel); float32 as it is stored, or computed float64.
        bias: Shape (channels out,); zeros where there is none.
        group: Number of groups.
        window: Kernel, strides, paddings, dilations.
    """

    weight: Floats
    bias: Floats
    group: int
    window: Window

    @property
    def exact(self) -> npt.NDArray[np.float64]:
        """The weight in double precision, to compute with."""
        return self.weight.astype(np.float64)

    @property
    def outputs(self) -> int:
        """Channels out."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Channels in."""
        return int(self.weight.shape[1]) * self.group

    @property
    def depthwise(self) -> bool:
        """Whether each channel is convolved by itself."""
        return self.group == self.outputs == self.inputs > 1

    @property
    def plain(self) -> bool:
        """Whether every output channel sees every input channel."""
        return self.group == 1

    def scaled(self, scale: Doubles, shift: Doubles) -> "Convolution":
        """Return the convolution followed by ``y · scale + shift``, one number a channel."""
        column = scale.astype(np.float64).reshape(-1, *[1] * (self.weight.ndim - 1))
        return replace(self, weight=self.exact * column, bias=self.bias * scale + shift)

    def after_scaling(self, scale: Doubles, shift: Doubles) -> "Convolution":
        """Return the convolution of ``x · scale + shift``; right inside of zero padding only if the shift is 0."""
        per_group = self.weight.shape[1]
        factor = np.repeat(scale.reshape(self.group, per_group), self.outputs // self.group, axis=0)
        offset = np.repeat(shift.reshape(self.group, per_group), self.outputs // self.group, axis=0)
        tail = (1,) * len(self.window.kernel)
        added = (self.exact * offset.reshape(*offset.shape, *tail)).reshape(self.outputs, -1).sum(axis=1)
        return replace(self, weight=self.exact * factor.reshape(*factor.shape, *tail), bias=self.bias + added)


def read_convolution(graph: Graph, node: Node | None) -> Convolution | None:
    """Return the numbers of a Conv, or None if it is none, or its weight or bias is not a constant of float32."""
    if node is None or node.op != "Conv" or not node.standard:
        return None
    return graph.remembered((read_convolution, node), lambda: _read(graph, node))


def _read(graph: Graph, node: Node) -> Convolution | None:
    weight = graph.constant(node.input(1)) if graph.is_constant(node.input(1)) else None
    bias = graph.constant(node.input(2)) if graph.is_constant(node.input(2)) else None
    if weight is None or weight.dtype != np.float32 or weight.ndim < 3 or (node.input(2) and bias is None):
        return None
    group = node.get("group", 1)
    if group < 1 or weight.shape[0] % group or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    channels = graph.shapes.channels(node.input(0))
    if channels is not None and channels != weight.shape[1] * group:
        return None
    try:
        window = window_of(node, weight.shape[2:])
    except ValueError:
        return None
    zeros = np.zeros(weight.shape[0]) if bias is None else bias.astype(np.float64)
    return Convolution(weight, zeros, group, window)


def write_convolution(graph: Graph, source: str, made: Convolution, output: str = "") -> Node:
    """Add a Conv that reads a tensor, and return it.

    The paddings must be explicit.
    """
    if made.window.pads is None:
        raise ValueError("automatic padding")
    inputs = [source, graph.add_constant(made.weight.astype(np.float32), "weight")]
    inputs.append(graph.add_constant(made.bias.astype(np.float32), "bias"))
    window = made.window
    return graph.make(
        "Conv",
        inputs,
        output,
        dilations=list(window.dilations),
        group=made.group,
        kernel_shape=list(window.kernel),
        pads=list(window.pads or ()),
        strides=list(window.strides),
    )


def set_convolution(graph: Graph, node: Node, made: Convolution) -> None:
    """Give a Conv other numbers in the same window and the same groups."""
    weight = graph.add_constant(made.weight.astype(np.float32), "weight")
    bias = graph.add_constant(made.bias.astype(np.float32), "bias")
    graph.set_inputs(node, [node.input(0), weight, bias])


def fits_float32(*arrays: Floats) -> bool:
    """Tell whether all numbers are finite as float32; a fold that overflows must be refused."""
    largest = float(np.finfo(np.float32).max)
    return all(bool((np.abs(one) <= largest).all()) for one in arrays)
