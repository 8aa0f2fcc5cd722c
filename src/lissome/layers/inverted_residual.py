"""Inverted residual with linear bottleneck: narrow, wide, narrow again, and the skip joins the narrow ends.

    y = x + P(attention(D(E(x))))      E: 1x1 to t·C, D: depthwise KxK, P: 1x1 to C' without activation

The last 1x1 is linear because an activation on few channels destroys what they carry. With t·C = E channels the
cost is H·W·E·(C + (K² + C') / stride²) MACs; the memory that must be kept is the narrow ends only.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input when shapes allow it.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        expanded_channels: Channels in between; equal to `in_channels` leaves the expansion out.
        kernel_size: Odd size of the depthwise kernel.
        stride: Stride of the depthwise convolution; the skip exists only at 1.
        activation: Builds the activation after expansion and depthwise convolution.
        attention: A layer between depthwise convolution and projection (squeeze-and-excitation), or None.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Sandler et al. 2018, arXiv:1801.04381, Section 3 and Table 1; attention: Howard et al. 2019, arXiv:1905.02244.

    Example:
        >>> import torch
        >>> InvertedResidual(16, 24, 96, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 24, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expanded_channels: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU6,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expanded_channels != in_channels:
            layers["expand"] = ConvNormActivation(in_channels, expanded_channels, 1, activation=activation)
        layers["depthwise"] = ConvNormActivation(
            expanded_channels,
            expanded_channels,
            kernel_size,
            stride=stride,
            groups=expanded_channels,
            activation=activation,
        )
        if attention is not None:
            layers["attention"] = attention
        layers["project"] = ConvNormActivation(expanded_channels, out_channels, 1, activation=None)
        self.layers = nn.Sequential(layers)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, plus `x` where the skip exists."""
        y: Tensor = self.layers(x)
        return x + y if self.adds_input else y
