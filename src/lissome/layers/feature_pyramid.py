"""Pyramids of maps: each gets what the coarser ones know (FPN), and what the finer ones know as well (PAN).

    FPN:  Pᵢ = C(Lᵢ + up(Pᵢ₊₁))               top down; L: a 1x1 convolution to the pyramid's channels
    PAN:  Nᵢ₊₁ = C(down(Nᵢ) + Pᵢ₊₁)            then bottom up; down: a 3x3 convolution of stride 2

A coarse map knows what is there, a fine one where. All maps have one number of channels, so that heads can be alike.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation


def grown_to(x: Tensor, like: Tensor) -> Tensor:
    """Return the map with each place repeated until it is as large as another.

    Example:
        >>> import torch
        >>> grown_to(torch.zeros(1, 3, 2, 2), torch.zeros(1, 5, 4, 4)).shape
        torch.Size([1, 3, 4, 4])
    """
    return functional.interpolate(x, size=like.shape[2:])


def require_levels(channels: Sequence[int], where: str) -> None:
    """Refuse a pyramid of fewer than two maps.

    Raises:
        SettingError: There are fewer.
    """
    if len(channels) < 2:
        raise SettingError(f"there is {len(channels)} map", where=where, fix="give the channels of at least two")


class FeaturePyramid(nn.Module):
    """FPN: from the top down.

    Args:
        in_channels: Channels of each map, from the finest to the coarsest.
        channels: Channels of the pyramid.

    Raises:
        SettingError: There are fewer than two maps.

    Shape:
        Maps (N, Cᵢ, Hᵢ, Wᵢ), each half as large as the one before, to as many (N, channels, Hᵢ, Wᵢ).

    Source:
        Lin et al. 2016, arXiv:1612.03144, Section 3 and Figure 3.

    Example:
        >>> import torch
        >>> maps = [torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 4, 4)]
        >>> [tuple(one.shape) for one in FeaturePyramid((8, 16), 4)(maps)]
        [(1, 4, 8, 8), (1, 4, 4, 4)]
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        require_levels(in_channels, "FeaturePyramid")
        self.lateral = nn.ModuleList(ConvNormActivation(one, channels, 1, activation=None) for one in in_channels)
        self.smooth = nn.ModuleList(ConvNormActivation(channels, channels, 3) for _ in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the pyramid, finest first."""
        merged = [lateral(one) for lateral, one in zip(self.lateral, maps, strict=True)]
        for finer in reversed(range(len(merged) - 1)):
            merged[finer] = merged[finer] + grown_to(merged[finer + 1], merged[finer])
        return [smooth(one) for smooth, one in zip(self.smooth, merged, strict=True)]


class PathAggregation(nn.Module):
    """PAN: a feature pyramid, and once more from the bottom up.

    Args:
        in_channels: Channels of each map, from the finest to the coarsest.
        channels: Channels of the pyramid.

    Raises:
        SettingError: There are fewer than two maps.

    Shape:
        As `FeaturePyramid`.

    Source:
        Liu et al. 2018, arXiv:1803.01534, Section 3.1 and Figure 1 (b). YOLOv4 concatenates where this adds.

    Example:
        >>> import torch
        >>> maps = [torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 4, 4)]
        >>> [tuple(one.shape) for one in PathAggregation((8, 16), 4)(maps)]
        [(1, 4, 8, 8), (1, 4, 4, 4)]
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.top_down = FeaturePyramid(in_channels, channels)
        steps = len(in_channels) - 1
        self.down = nn.ModuleList(ConvNormActivation(channels, channels, 3, stride=2) for _ in range(steps))
        self.smooth = nn.ModuleList(ConvNormActivation(channels, channels, 3) for _ in range(steps))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the pyramid, finest first."""
        pyramid = self.top_down(maps)
        merged = [pyramid[0]]
        for down, smooth, one in zip(self.down, self.smooth, pyramid[1:], strict=True):
            merged.append(smooth(down(merged[-1]) + one))
        return merged
