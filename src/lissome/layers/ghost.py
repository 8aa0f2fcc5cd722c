"""Ghost module: compute a part of the features properly and derive the rest from them by a cheap filter.

    y = [y', Φ(y')]      y' = primary 1x1 convolution, m = ⌈C' / s⌉ channels      Φ: s - 1 depthwise filters a channel

Cost: H·W·m·(C + (s - 1)·d²) MACs instead of H·W·C·C': about s times less for C much larger than s·d².
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation


class Ghost(nn.Module):
    """Primary convolution, cheap depthwise convolution of its result, and both concatenated.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        ratio: s, how many times more channels come out than are computed properly; >= 2.
        kernel_size: Odd size of the primary kernel.
        cheap_kernel_size: d, odd size of the depthwise kernel.
        stride: Stride of the primary convolution.
        activation: Builds the activation behind both convolutions; None leaves them linear.

    Raises:
        SettingError: `ratio` is less than 2.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Han et al. 2020, arXiv:1911.11907, Section 3.1, Equations 2 to 4.

    Example:
        >>> Ghost(16, 24)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 24, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        ratio: int = 2,
        kernel_size: int = 1,
        cheap_kernel_size: int = 3,
        stride: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        if ratio < 2:
            raise SettingError(f"ratio is {ratio}", where="Ghost", fix="choose 2 or more")
        primary_channels = -(-out_channels // ratio)
        cheap_channels = primary_channels * (ratio - 1)
        self.primary = ConvNormActivation(
            in_channels, primary_channels, kernel_size, stride=stride, activation=activation
        )
        self.cheap = ConvNormActivation(
            primary_channels, cheap_channels, cheap_kernel_size, groups=primary_channels, activation=activation
        )
        self.out_channels = out_channels
        self.has_surplus = primary_channels + cheap_channels > out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return primary and derived features; the last derived ones are cut where `ratio` does not divide C'."""
        primary = self.primary(x)
        y = torch.cat([primary, self.cheap(primary)], 1)
        return y[:, : self.out_channels] if self.has_surplus else y
