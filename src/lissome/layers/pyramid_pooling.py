"""Spatial pyramid pooling: maxima over windows of several sizes, side by side with the map itself.

    y = M([N(x), max₅ N(x), max₉ N(x), max₁₃ N(x)])         N, M: 1x1 convolutions

The largest window sees a good part of the map, which no 3x3 convolution does. Maxima of maxima are maxima of larger
windows: max₉ = max₅ max₅, max₁₃ = max₅ max₅ max₅. The fast form computes them one after the other, each of the last,
with the same result: 3·25 comparisons a place instead of 25 + 81 + 169.
"""

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation


def _swish_conv(in_channels: int, out_channels: int) -> ConvNormActivation:
    return ConvNormActivation(in_channels, out_channels, 1, activation=nn.SiLU)


class PyramidPooling(nn.Module):
    """SPP: windows of several sizes in parallel.

    Args:
        in_channels: Channels of the input, even.
        out_channels: Channels of the output.
        windows: Sides of the windows, odd.

    Raises:
        SettingError: A window is even.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        He et al. 2015, arXiv:1406.4729, in the form of YOLOv3-SPP.

    Example:
        >>> PyramidPooling(8, 16)(torch.zeros(1, 8, 6, 6)).shape
        torch.Size([1, 16, 6, 6])
    """

    def __init__(self, in_channels: int, out_channels: int, windows: tuple[int, ...] = (5, 9, 13)) -> None:
        super().__init__()
        if any(side % 2 == 0 for side in windows):
            raise SettingError(f"windows are {windows}", where="PyramidPooling", fix="choose odd sides")
        self.narrow = _swish_conv(in_channels, in_channels // 2)
        self.pools = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in windows)
        self.merge = _swish_conv(in_channels // 2 * (len(windows) + 1), out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the merged maxima."""
        x = self.narrow(x)
        merged: Tensor = self.merge(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return merged


class PyramidPoolingFast(nn.Module):
    """SPPF: one window, one after the other; equal to `PyramidPooling` of windows 5, 9, 13 with the same weights.

    Args:
        in_channels: Channels of the input, even.
        out_channels: Channels of the output.
        window: Side of the window, odd.
        times: How often it is applied, ≥ 1.

    Raises:
        SettingError: The window is even, or applied less than once.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        YOLOv5, release 6; the identity: maxima are associative.

    Example:
        >>> PyramidPoolingFast(8, 16)(torch.zeros(1, 8, 6, 6)).shape
        torch.Size([1, 16, 6, 6])
    """

    def __init__(self, in_channels: int, out_channels: int, *, window: int = 5, times: int = 3) -> None:
        super().__init__()
        if window % 2 == 0 or times < 1:
            raise SettingError(
                f"window is {window}, times is {times}",
                where="PyramidPoolingFast",
                fix="choose an odd side, at least once",
            )
        self.narrow = _swish_conv(in_channels, in_channels // 2)
        self.pool = nn.MaxPool2d(window, 1, window // 2)
        self.merge = _swish_conv(in_channels // 2 * (times + 1), out_channels)
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """Return the merged maxima."""
        maps = [self.narrow(x)]
        for _ in range(self.times):
            maps.append(self.pool(maps[-1]))
        merged: Tensor = self.merge(torch.cat(maps, 1))
        return merged
