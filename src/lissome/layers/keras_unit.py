"""The unit of Keras networks: convolution with bias and "SAME" padding, batch normalisation with eps 1e-3, ReLU.

    y = relu(gamma · (W ∗ pad(x) + b - mean) / sqrt(var + 1e-3) + beta)

The bias is one parameter a channel too many, since beta does its work, but trained Keras files have it. Cost at run
time: kernel² · C_in/groups · C_out · H_out · W_out MACs, as bias and normalisation fold into the kernel.
"""

from collections.abc import Callable

import torch
from torch import nn

from lissome.layers.batch_norm import set_batch_norm
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.same_padding import same_padded


def keras_unit(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    size: int,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[], nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Return a unit with children `pad` (where needed), `conv`, `norm`, `activation`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        size: Height and width of the input, for the padding.
        stride: Step in both directions.
        groups: Groups of the convolution; `in_channels` makes it depthwise.
        activation: Builds the activation; None leaves the unit linear.

    Source:
        Keras API documentation, Conv2D (use_bias), BatchNormalization (epsilon 0.001, momentum 0.99).

    Example:
        >>> keras_unit(3, 8, 3, size=32, stride=2)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """
    unit = ConvNormActivation(
        in_channels, out_channels, kernel_size, stride=stride, groups=groups, activation=activation
    )
    unit.conv.bias = nn.Parameter(torch.zeros(out_channels))
    set_batch_norm(unit, eps=1e-3, momentum=0.01)
    return same_padded(unit, size)
