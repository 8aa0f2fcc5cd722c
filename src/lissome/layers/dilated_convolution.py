"""A 3x3 convolution whose pixels lie apart: it spans (2·d + 1)² pixels for the price of nine.

y(p) = Σ W(k) · x(p + d·k),  k in {-1, 0, 1}²
"""

from collections.abc import Callable

from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation


class DilatedConvolution(ConvNormActivation):
    """Dilated 3x3 convolution without bias, batch normalisation, and an activation unless it is None.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        dilation: d, the distance of the kernel's pixels, ≥ 1.
        activation: Builds the activation; None leaves the unit linear.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        Yu and Koltun 2015, arXiv:1511.07122, Equation 2.

    Example:
        >>> import torch
        >>> DilatedConvolution(3, 8, 5)(torch.zeros(1, 3, 9, 9)).shape
        torch.Size([1, 8, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilation: int,
        *,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__(in_channels, out_channels, activation=activation)
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 1, dilation, dilation, bias=False)
