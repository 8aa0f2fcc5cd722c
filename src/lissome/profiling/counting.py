"""How many multiply-adds one call does.

A MAC is one multiply-add of a convolution or a fully connected layer; other operators count 0, which is the convention
of the published tables (`docs/glossary.md`).
"""

import math

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


def macs_of_layer(layer: nn.Module, inputs: list[torch.Size], output: torch.Size) -> int:
    """Return the MACs of one call of a layer.

    Convolution: ``K_h K_w (C_in / g) · N H W C_out``; transposed: the same over the input's positions;
    fully connected: ``I · O`` for each row.

    Shape:
        inputs, output: shapes of the call's tensors.

    Example:
        >>> macs_of_layer(nn.Conv2d(3, 8, 3, padding=1), [torch.Size([1, 3, 4, 4])], torch.Size([1, 8, 4, 4]))
        3456
    """
    if isinstance(layer, _ConvTransposeNd):
        return math.prod(inputs[0]) * (layer.out_channels // layer.groups) * math.prod(layer.kernel_size)
    if isinstance(layer, _ConvNd):
        return math.prod(output) * (layer.in_channels // layer.groups) * math.prod(layer.kernel_size)
    if isinstance(layer, nn.Linear):
        return math.prod(output) * layer.in_features
    return 0


def macs_of_function(node: fx.Node, args: tuple[object, ...], output: torch.Size) -> int:
    """Return the MACs of one call of a functional convolution or fully connected layer."""
    name = getattr(node.target, "__name__", str(node.target))
    tensors = [one for one in args if isinstance(one, Tensor)]
    if name in ("conv1d", "conv2d", "conv3d") and len(tensors) > 1:
        return math.prod(output) * math.prod(tensors[1].shape[1:])
    if name == "linear" and len(tensors) > 1:
        return math.prod(output) * tensors[1].shape[-1]
    return 0
