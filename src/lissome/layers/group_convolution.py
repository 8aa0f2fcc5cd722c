"""Group convolution: G convolutions side by side, each on its own share of the channels.

    y_g = W_g ∗ x_g        g = 1 … G,  x_g: C / G channels,  y_g: C' / G channels

Cost: H·W·K²·C·C' / G MACs, the G-th part of the full convolution, for the same bytes in and out: the arithmetic per
byte falls with G. Groups never see each other until a 1x1 convolution or a shuffle mixes them.
"""

from collections.abc import Callable

from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation


class GroupConvolution(ConvNormActivation):
    """Grouped convolution, batch normalisation, activation.

    Args:
        in_channels: Channels of the input, a multiple of `groups`.
        out_channels: Channels of the output, a multiple of `groups`.
        kernel_size: Odd size of the kernel.
        groups: Number of groups, >= 1.
        stride: Step in both directions.
        activation: Builds the activation; None leaves the unit linear.

    Raises:
        SettingError: The channels do not divide into the groups.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Krizhevsky et al. 2012, "ImageNet Classification with Deep CNNs", Section 3.2; Xie et al. 2016,
        arXiv:1611.05431, Equation 2 and Figure 3c.

    Example:
        >>> sum(p.numel() for p in GroupConvolution(8, 8, groups=4).conv.parameters())  # 8 * 8 * 9 / 4
        144
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        groups: int,
        stride: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise SettingError(
                f"{in_channels} and {out_channels} channels do not divide into {groups} groups",
                where="GroupConvolution",
                fix="choose channels that are multiples of the groups",
            )
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, groups=groups, activation=activation)
