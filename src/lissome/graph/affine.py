"""Nodes that multiply and shift each channel by a constant: batch normalisation, and arithmetic with constants."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lissome.graph.graph import Graph
from lissome.graph.node import Node

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Affine:
    """``y = x · scale + shift``, one number a channel.

    Args:
        source: The tensor x.
        scale: Shape (C,).
        shift: Shape (C,).
    """

    source: str
    scale: Floats
    shift: Floats


def read_affine(graph: Graph, node: Node | None) -> Affine | None:
    """Return what a node does to each channel, or None if it is something else or not constant."""
    if node is None or not node.standard:
        return None
    if node.op == "BatchNormalization":
        return _batch_norm(graph, node)
    return _arithmetic(graph, node) if node.op in ("Mul", "Add", "Sub", "Div") else None


def _batch_norm(graph: Graph, node: Node) -> Affine | None:
    if len([name for name in node.outputs if name]) != 1 or node.get("training_mode", 0) or node.get("spatial", 1) != 1:
        return None
    values = [graph.constant(name) if graph.is_constant(name) else None for name in node.inputs[1:5]]
    arrays = [one.astype(np.float64) for one in values if one is not None and one.ndim == 1 and one.dtype == np.float32]
    if len(arrays) != 4 or len({one.shape for one in arrays}) != 1:
        return None
    gamma, beta, mean, variance = arrays
    epsilon = float(np.float32(node.get("epsilon", 1e-5)))
    if (variance + epsilon <= 0).any():
        return None
    scale = gamma / np.sqrt(variance + epsilon)
    return Affine(node.input(0), scale, beta - mean * scale)


def _arithmetic(graph: Graph, node: Node) -> Affine | None:
    for place in (1, 0):
        constant = graph.constant(node.input(place)) if graph.is_constant(node.input(place)) else None
        source = node.input(1 - place)
        channels, rank = graph.shapes.channels(source), graph.shapes.rank(source)
        if constant is None or channels is None or rank is None or constant.dtype != np.float32:
            continue
        values = _per_channel(constant.astype(np.float64), channels, rank)
        if values is None or (place == 0 and node.op == "Div"):
            return None
        ones, zeros = np.ones(channels), np.zeros(channels)
        if node.op == "Mul":
            return Affine(source, values, zeros)
        if node.op == "Add":
            return Affine(source, ones, values)
        if node.op == "Sub":
            return Affine(source, ones, -values) if place == 1 else Affine(source, -ones, values)
        return Affine(source, 1 / values, zeros) if (values != 0).all() else None
    return None


def _per_channel(values: Floats, channels: int, rank: int) -> Floats | None:
    """Return one number a channel if that is how the constant broadcasts."""
    if values.size == 1 and values.ndim <= rank:
        return np.full(channels, values.reshape(-1)[0])
    shape = (1,) * (rank - values.ndim) + values.shape
    return values.reshape(-1) if shape == (1, channels, *[1] * (rank - 2)) else None
