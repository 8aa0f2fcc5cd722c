"""BiFPN: both ways through a pyramid, where each sum has learnt weights that add up to one.

    td_i  = C((w₁·Pᵢ + w₂·up(td_{i+1})) / (w₁ + w₂ + ε))
    out_i = C((w₁·Pᵢ + w₂·td_i + w₃·down(out_{i-1})) / (w₁ + w₂ + w₃ + ε))         w ≥ 0

The division is the "fast normalised fusion": as good as a softmax of the weights, and cheaper. In an exported file the
weights are constants.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lissome.layers.depthwise_separable import DepthwiseSeparable
from lissome.layers.feature_pyramid import grown_to, require_levels

EPSILON = 1e-4


class WeightedSum(nn.Module):
    """A sum of maps whose weights are learnt, not negative, and add up to one.

    Args:
        count: How many maps.

    Shape:
        `count` times (N, C, H, W) to (N, C, H, W).

    Source:
        Tan et al. 2019, arXiv:1911.09070, Section 3.3, "Fast normalized fusion".

    Example:
        >>> round(WeightedSum(2)([torch.ones(1, 1, 1, 1), 3 * torch.ones(1, 1, 1, 1)]).item(), 3)
        2.0
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(count))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the weighted mean."""
        weights = self.weights.relu()
        weights = weights / (weights.sum() + EPSILON)
        total = maps[0] * weights[0]
        for number in range(1, len(maps)):
            total = total + maps[number] * weights[number]
        return total


class WeightedPyramid(nn.Module):
    """BiFPN, one layer of it: all maps have the same channels, so several can follow each other.

    Args:
        levels: How many maps, ≥ 2.
        channels: Channels of all maps.

    Raises:
        SettingError: There are fewer than two maps.

    Shape:
        `levels` maps (N, channels, Hᵢ, Wᵢ), finest first and each half as large as the one before, to the same.

    Source:
        Tan et al. 2019, arXiv:1911.09070, Section 3.2 and Figure 2 (d).

    Example:
        >>> maps = [torch.zeros(1, 8, side, side) for side in (8, 4, 2)]
        >>> [tuple(one.shape) for one in WeightedPyramid(3, 8)(maps)]
        [(1, 8, 8, 8), (1, 8, 4, 4), (1, 8, 2, 2)]
    """

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        require_levels((channels,) * levels, "WeightedPyramid")
        steps = levels - 1
        self.top_sums = nn.ModuleList(WeightedSum(2) for _ in range(steps))
        self.top_convs = nn.ModuleList(DepthwiseSeparable(channels, channels) for _ in range(steps))
        # The coarsest map has nothing above it: its two paths are one, so two maps meet there.
        self.bottom_sums = nn.ModuleList(WeightedSum(2 if step == steps - 1 else 3) for step in range(steps))
        self.bottom_convs = nn.ModuleList(DepthwiseSeparable(channels, channels) for _ in range(steps))
        self.down = nn.MaxPool2d(3, 2, 1)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the pyramid, finest first."""
        coming_down = list(maps)
        for finer in reversed(range(len(maps) - 1)):
            pair = [maps[finer], grown_to(coming_down[finer + 1], maps[finer])]
            coming_down[finer] = self.top_convs[finer](self.top_sums[finer](pair))
        merged = [coming_down[0]]
        for step, (add, conv) in enumerate(zip(self.bottom_sums, self.bottom_convs, strict=True)):
            level = step + 1
            parts = [maps[level], self.down(merged[-1])]
            if level < len(maps) - 1:
                parts.insert(1, coming_down[level])
            merged.append(conv(add(parts)))
        return merged
