"""Fold a batch normalisation into the convolution or fully connected layer before it.

A normalisation whose statistics are fixed multiplies and shifts each channel; so does the layer before it.

Source:
    Jacob et al. 2018, arXiv:1712.05877, section 3.2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lissome.graph.affine import Affine, read_affine
from lissome.graph.convolution import fits_float32, read_convolution, set_convolution
from lissome.graph.engine_facts import EngineFacts
from lissome.graph.graph import Graph
from lissome.graph.node import Node
from lissome.graph.rewrite import Pass, Refusal

_LAYERS = ("Conv", "ConvTranspose", "Gemm")


@dataclass(frozen=True, slots=True)
class Folding:
    """A layer and what is done to its channels.

    Args:
        layer: Conv, ConvTranspose or Gemm.
        affine: Scale and shift of each channel.
    """

    layer: Node
    affine: Affine


class FoldBatchNorms(Pass[Folding]):
    """Take a normalisation into the layer before it."""

    purpose: ClassVar[str] = "fold batch normalisation into the layer before it"
    algebra: ClassVar[str] = "s·(W*x + b) + t = (s·W)*x + (s·b + t)"
    operators: ClassVar[tuple[str, ...]] = ("BatchNormalization",)

    def check(self, graph: Graph, node: Node, facts: EngineFacts) -> Folding | Refusal | None:
        """Statistics are constants, and nobody else reads the layer."""
        if node.op not in self.operators or not node.standard:
            return None
        affine = read_affine(graph, node)
        if affine is None:
            return Refusal("its numbers are not constants of one value a channel") if len(self.operators) == 1 else None
        layer = graph.maker(affine.source)
        if layer is None or layer.op not in _LAYERS or not layer.standard:
            return Refusal("no convolution makes its input") if len(self.operators) == 1 else None
        if graph.only_reader(affine.source) is not node:
            return Refusal(f"{layer} is read elsewhere as well")
        if not graph.shapes.same(affine.source, node.output):
            return Refusal("it changes the shape")
        return self._constant_layer(graph, layer, affine)

    def _constant_layer(self, graph: Graph, layer: Node, affine: Affine) -> Folding | Refusal:
        weight = graph.constant(layer.input(1)) if graph.is_constant(layer.input(1)) else None
        bias_is_constant = not layer.input(2) or graph.is_constant(layer.input(2))
        if weight is None or weight.dtype != np.float32 or not bias_is_constant:
            return Refusal(f"the weight or bias of {layer} is not a float32 constant")
        if layer.op == "Conv" and read_convolution(graph, layer) is None:
            return Refusal(f"the settings of {layer} make no sense")
        if layer.op == "ConvTranspose" and layer.get("group", 1) * weight.shape[1] != affine.scale.size:
            return Refusal(f"the settings of {layer} make no sense")
        if layer.op == "Gemm" and (layer.get("alpha", 1.0) != 1 or layer.get("beta", 1.0) != 1 or weight.ndim != 2):
            return Refusal(f"{layer} scales by itself")
        largest = float(np.abs(affine.scale).max(initial=0.0)) * float(np.abs(weight).max(initial=0.0))
        if not fits_float32(affine.scale, affine.shift, np.asarray(largest)):
            return Refusal("the folded weights are not finite")
        return Folding(layer, affine)

    def rewrite(self, graph: Graph, node: Node, match: Folding) -> str:
        """Scale the weight, scale and shift the bias."""
        layer, scale, shift = match.layer, match.affine.scale, match.affine.shift
        made = read_convolution(graph, layer)
        if made is not None:
            set_convolution(graph, layer, made.scaled(scale, shift))
        else:
            self._scale_other(graph, layer, scale, shift)
        graph.replace(node.output, node, layer.output)
        return f"folded into {layer}"

    def _scale_other(self, graph: Graph, layer: Node, scale: np.ndarray, shift: np.ndarray) -> None:
        weight = np.asarray(graph.constant(layer.input(1)), dtype=np.float64)
        bias = np.asarray(graph.constant(layer.input(2)), dtype=np.float64) if layer.input(2) else np.zeros(scale.size)
        if layer.op == "Gemm":
            scaled = weight * (scale[:, None] if layer.get("transB", 0) else scale)
            bias = np.broadcast_to(bias, (*bias.shape[:-1], scale.size))
        else:  # (channels in, channels out / group, *kernel), the inputs of a group in a row
            group = layer.get("group", 1)
            rows = np.repeat(scale.reshape(group, -1), weight.shape[0] // group, axis=0)
            scaled = weight * rows.reshape(*rows.shape, *[1] * (weight.ndim - 2))
        names = [
            graph.add_constant(scaled.astype(np.float32), "weight"),
            graph.add_constant((bias * scale + shift).astype(np.float32), "bias"),
        ]
        graph.set_inputs(layer, [layer.input(0), *names])
